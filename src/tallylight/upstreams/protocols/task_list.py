"""Lists of tasks by numbered pages, as several makers have them."""

from tallylight.model.evidence import Failure
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.protocol import Flow
from tallylight.upstreams.steps import Accepted


def check_task_list(errors: Errors, url: str) -> Flow[Accepted | Failure | None]:
    """Ask for the newest task: a list is free, and needs the key."""
    reply = yield get(Phase.PROBE, url, {"page_num": "1", "page_size": "1"})
    answer = reply.json
    is_list = isinstance(answer.at("items").value, list) or answer.integer("total") is not None
    return None if is_list else errors.failure(reply, "list:unreadable")


def next_page(number: int, count: int, total: int | None) -> str:
    """Return the number of the page after one with so many tasks, "" if it was the last one.

    Pages may be shorter than they were asked for: the total says the end, or an empty page.
    """
    is_end = not count or (total is not None and number * count >= total)
    return "" if is_end else str(number + 1)
