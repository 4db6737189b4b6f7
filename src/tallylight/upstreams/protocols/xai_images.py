"""xAI's pictures: OpenAI's paths, but JSON alone, a size by class and aspect, and a cost in ticks.

The answer to a create is the result, and nothing can be asked for later. Of several pictures,
moderation may hold back some. The facts and their sources: `docs/protocols.md`.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.jobs import JobRef, Made
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.inline_files import inline_file, unmarked
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Site
from tallylight.upstreams.protocols.model_list import reach_models
from tallylight.upstreams.protocols.xai_api import XAI_ERRORS, check_xai, was_held_back, xai_usage
from tallylight.upstreams.steps import IMAGE, Accepted, Done, Failed, Output

_INPUTS = {(Role.REFERENCE, Medium.IMAGE): frozenset(Form)}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.COUNT: (Word("n", Spelling.INTEGER),),
    },
    fixed={"response_format": "b64_json"},
    passes=frozenset({"output_format", "user"}),
    priced=frozenset({"quality", "resolution", "image", "images"}),
)

_LONGEST_CREATE = timedelta(minutes=5)


def _make(site: Site) -> Adapter:
    wordings = {**site.wordings, "*": _WORDING}

    def submit(order: Order, mark: str) -> Request:  # noqa: ARG001  # none is kept
        body = wording_for(wordings, order.model).write(order) | _pictures(order.inputs)
        path = "/images/edits" if order.inputs else "/images/generations"
        return post_json(Phase.CREATE, path, body)

    return Adapter(
        features=Features(inputs=_INPUTS, wordings=wordings, create_timeout=_LONGEST_CREATE),
        errors=XAI_ERRORS,
        reach=reach_models,
        check=check_xai,
        submit=submit,
        accepted=_accepted,
    )


def _pictures(inputs: Iterable[Input]) -> dict[str, object]:
    found = [{"type": "image_url", "url": each.address} for each in inputs]
    if len(found) == 1:
        return {"image": found[0]}
    return {"images": found} if found else {}


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001
    answer = reply.json
    made = tuple(answer.items("data")) if reply.is_success else ()
    outputs = tuple(_outputs(made, reply))
    if outputs:
        return Accepted(
            JobRef(""), Done(outputs, Made(model=answer.text("model")), xai_usage(answer))
        )
    if any(map(was_held_back, made)):
        failure = XAI_ERRORS.named("moderated", "moderation holds the pictures back")
        return Accepted(JobRef(""), Failed(failure, xai_usage(answer)))
    return None


def _outputs(made: Iterable[JsonView], reply: Reply) -> Iterator[Output]:
    shown = (each for each in made if not was_held_back(each))
    for index, each in enumerate(shown):
        file = inline_file(unmarked(each.text("b64_json"), reply.long_texts))
        if file is not None:
            yield Output(IMAGE, file, index)
        if url := each.text("url"):
            yield Output(IMAGE, get(Phase.CONTENT, url), index)


DEFINITION = Definition(name="xai_images", dialects=("xai_images",), make=_make)
