"""What budgets buy for the configuration that stands: computed by a worker once somebody asks."""

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
"""On the wall: the worker gives way to everything else on the machine."""


class BudgetAdviser:
    """Answers each question once; nobody who only asks ever waits."""

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._question_configuration: Configuration | None = None
        self._question = BudgetQuestion((), 0, None)
        self._latest: tuple[BudgetQuestion, BudgetComparison | None] | None = None
        self._wake = asyncio.Event()

    def advice(self) -> Advice:
        """Return what is known; what is not begins to be computed."""
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
        """Answer what is asked until cancelled; a worker under way is killed by that."""
        while True:
            await self.compute_next()

    async def compute_next(self) -> None:
        """Wait for a question that has no answer yet, and answer it."""
        await self._wake.wait()
        self._wake.clear()
        question = self._question
        answer: BudgetComparison | None = None
        try:
            answer = await run_advice_worker(question)
        except Exception:
            # The root of this task: without this section the page is whole.
            log.exception("advice.failed", services=len(question.services))
        self._latest = (question, answer)

    def _current_question(self) -> BudgetQuestion:
        configuration = self._configuration()
        if configuration is not self._question_configuration:
            self._question_configuration, catalogue = configuration, configuration.catalogue
            self._question = budget_question(catalogue.services.values(), catalogue.total_budget)
        return self._question


async def run_advice_worker(question: BudgetQuestion) -> BudgetComparison:
    """Return a worker's answer.

    A process that is started afresh and killed if nobody waits for it any more: a pool's worker
    would hold up the end of the server until it is through.

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
        raise TallylightError(f"the worker of the advice ended with {process.returncode}")
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
