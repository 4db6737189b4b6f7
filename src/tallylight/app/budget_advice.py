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
from tallylight.rehearsal.advice import Answer, Question, question_of
from tallylight.rehearsal.advice_worker import ANSWER, QUESTION
from tallylight.status.advice import Advice, AdviceState

log = structlog.get_logger()

_LONGEST = timedelta(minutes=10)
"""On the wall: the worker gives way to everything else on the machine."""


class Adviser:
    """Answers each question once; nobody who only asks ever waits."""

    def __init__(self, configuration: Callable[[], Configuration]) -> None:
        self._configuration = configuration
        self._asked_of: Configuration | None = None
        self._question = Question((), 0, None)
        self._answered: tuple[Question, Answer | None] | None = None
        self._wanted = asyncio.Event()

    def advice(self) -> Advice:
        """Return what is known; what is not begins to be computed."""
        question = self._asked()
        if not question.services:
            return _advice(AdviceState.UNPRICED, question)
        if self._answered is None or self._answered[0] != question:
            self._wanted.set()
            return _advice(AdviceState.COMPUTING, question)
        answer = self._answered[1]
        if answer is None:
            return _advice(AdviceState.FAILED, question)
        return _advice(AdviceState.READY, question, answer)

    async def run(self) -> Never:
        """Answer what is asked until cancelled; a worker under way is killed by that."""
        while True:
            await self.answer_next()

    async def answer_next(self) -> None:
        """Wait for a question that has no answer yet, and answer it."""
        await self._wanted.wait()
        self._wanted.clear()
        question = self._question
        answer: Answer | None = None
        try:
            answer = await answered(question)
        except Exception:
            # The root of this task: without this section the page is whole.
            log.exception("advice.failed", services=len(question.services))
        self._answered = (question, answer)

    def _asked(self) -> Question:
        configuration = self._configuration()
        if configuration is not self._asked_of:
            self._asked_of, catalogue = configuration, configuration.catalogue
            self._question = question_of(catalogue.services.values(), catalogue.total_budget)
        return self._question


async def answered(question: Question) -> Answer:
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
        async with asyncio.timeout(_LONGEST.total_seconds()):
            printed, _ = await process.communicate(QUESTION.dump_json(question))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise TallylightError(f"the worker of the advice ended with {process.returncode}")
    return ANSWER.validate_json(printed)


def _advice(state: AdviceState, question: Question, answer: Answer | None = None) -> Advice:
    known = Advice(
        state=state,
        own=question.own,
        priced=len(question.services),
        unpriced=question.unpriced,
    )
    if answer is None:
        return known
    return replace(
        known,
        rows=answer.rows,
        script=answer.script,
        rehearsed=answer.services,
        days=answer.days,
        outages=answer.outages,
    )
