"""Computes in a worker process what budgets buy for the current configuration."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Never

import structlog

from tallylight.config.settings import Configuration
from tallylight.documents.environment import worker_environment
from tallylight.errors import TallylightError
from tallylight.rehearsal.advice import BudgetComparison, BudgetQuestion, budget_question
from tallylight.rehearsal.advice_worker import COMPARISON_ADAPTER, QUESTION_ADAPTER
from tallylight.status.advice import Advice, AdviceState

log = structlog.get_logger()

_WORKER_TIMEOUT = timedelta(minutes=10)
"""In real time: the worker runs at low priority."""


class BudgetAdviser:
    """Caches one result per question; reads never block."""

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._question_configuration: Configuration | None = None
        self._question = BudgetQuestion((), 0, None)
        self._latest: tuple[BudgetQuestion, BudgetComparison | None] | None = None
        self._wake = asyncio.Event()

    def advice(self) -> Advice:
        """Return the cached result; if there is none, its computation starts."""
        question = self._current_question()
        if not question.services:
            return _advice_for(AdviceState.UNPRICED, question)
        if self._latest is None or self._latest[0] != question:
            self._wake.set()
            return _advice_for(AdviceState.COMPUTING, question)
        answer = self._latest[1]
        if answer is None:
            return _advice_for(AdviceState.FAILED, question)
        return _advice_for(AdviceState.READY, question, answer)

    async def run(self) -> Never:
        """Compute results until cancelled; a running worker is then killed."""
        while True:
            await self.compute_next()

    async def compute_next(self) -> None:
        """Wait for a question without a result, and compute it."""
        await self._wake.wait()
        self._wake.clear()
        question = self._question
        result: BudgetComparison | None = None
        try:
            result = await run_advice_worker(question)
        except Exception:
            # The root of this task: the page works without this section.
            log.exception("advice.failed", services=len(question.services))
        self._latest = (question, result)

    def _current_question(self) -> BudgetQuestion:
        configuration = self._configuration()
        if configuration is not self._question_configuration:
            self._question_configuration, catalogue = configuration, configuration.catalogue
            self._question = budget_question(catalogue.services.values(), catalogue.total_budget)
        return self._question


async def run_advice_worker(question: BudgetQuestion) -> BudgetComparison:
    """Run a worker process and return its result.

    The process is new, and killed if this call is cancelled. A worker of a pool would delay the end
    of the server until its computation is complete.

    Raises:
        TallylightError: if the worker fails.
        TimeoutError: if it takes too long.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "tallylight.rehearsal.advice_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=worker_environment(),
    )
    try:
        async with asyncio.timeout(_WORKER_TIMEOUT.total_seconds()):
            printed, _ = await process.communicate(QUESTION_ADAPTER.dump_json(question))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise TallylightError(f"the budget advice worker exited with code {process.returncode}")
    return COMPARISON_ADAPTER.validate_json(printed)


def _advice_for(
    state: AdviceState, question: BudgetQuestion, answer: BudgetComparison | None = None
) -> Advice:
    known = Advice(
        state=state,
        own_budget=question.own_budget,
        priced=len(question.services),
        unpriced=question.unpriced,
    )
    if answer is None:
        return known
    return replace(
        known,
        rows=answer.rows,
        plain_script=answer.plain_script,
        rehearsed_services=answer.services,
        days=answer.days,
        outages=answer.outages,
    )
