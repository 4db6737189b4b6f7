"""Sends the questions of a search: free ones, to one host, each once, and not too many."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.client import RequestSender
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocols.registry import auth_for

_FREE_PHASES = frozenset({Phase.PROBE, Phase.LIST, Phase.REACH})


@dataclass(frozen=True, slots=True)
class NotedAnswer:
    """A question with its answer.

    Args:
        question: What tells it from all others, and is the same for those that ask the same.
    """

    request: Request
    question: str
    reply: Reply


@dataclass(slots=True)
class FreeQuestions:
    """A sender that repeats no question, and asks nothing that might be paid.

    A question that is no GET goes to a host alone whose profile names the protocol: elsewhere it
    might mean something else. What is not asked has an error in place of an answer.

    Args:
        sender: What sends.
        limit: The most questions.
        may_post: The protocol is the one that a profile names.
    """

    sender: RequestSender
    limit: int
    may_post: bool = False
    count: int = 0
    noted: list[NotedAnswer] = field(default_factory=list)
    _replies: dict[str, Reply] = field(default_factory=dict)

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Return the answer to a question, and note it."""
        question = _question(request, upstream)
        if question not in self._replies:
            if not self._may_ask(request, upstream):
                return Reply(request.phase, None, {}, "", "NotAsked", was_sent=False)
            self.count += 1
            self._replies[question] = await self.sender.send(request, upstream)
        reply = self._replies[question]
        self.noted.append(NotedAnswer(request, question, reply))
        return reply

    def _may_ask(self, request: Request, upstream: Upstream) -> bool:
        is_free = request.phase in _FREE_PHASES and (request.method == "GET" or self.may_post)
        target = urlsplit(_url(request, upstream)).netloc
        is_at_home = target == urlsplit(upstream.base_url).netloc
        return is_free and is_at_home and self.count < self.limit


def _question(request: Request, upstream: Upstream) -> str:
    signed = repr(auth_for(upstream)) if request.is_signed and upstream.key else ""
    headers = sorted(request.headers.items())
    url = _url(request, upstream)
    return f"{request.method} {url} {headers} {request.json} {signed}"


def _url(request: Request, upstream: Upstream) -> str:
    return request.url if "://" in request.url else f"{upstream.base_url}{request.url}"
