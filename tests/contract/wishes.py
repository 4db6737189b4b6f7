"""Wishes for a service: what its fact sheet allows, and some of what it does not."""

from collections.abc import Iterable, Mapping, Sequence

from hypothesis import strategies as st

from tallylight.catalogue.modes import Mode, frames_of, lengths_of
from tallylight.catalogue.services import Service
from tallylight.model.order import Form, Input, Role
from tallylight.model.wish import Wish, WishedMeasures
from tests.contract.services import picture

_MOST_MEASURES = 3  # of one wish; with more of them hardly any wish fits


def wishes(service: Service, prompt: str) -> st.SearchStrategy[Wish]:
    """Return a strategy for wishes to a service, many of which fit."""
    modes = service.sheet.modes
    values = _values(modes)
    names = st.lists(st.sampled_from(sorted(values)), max_size=_MOST_MEASURES, unique=True)
    measures = names.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.sampled_from(values[name]) for name in chosen}
        )
    )
    return st.builds(
        Wish,
        prompt=st.sampled_from([prompt, f'{prompt}: 纸船, "quoted" & 100 %']),
        medium=st.just(service.sheet.medium),
        measures=measures.map(_measures),
        inputs=_inputs(modes),
    )


def _values(modes: Sequence[Mode]) -> Mapping[str, Sequence[object]]:
    """Return the values of each measure that are asked for: those of the sheet, and an odd one."""
    frames = frames_of(modes)
    shaped: list[Mapping[str, str]] = [{"size": each.size} for each in frames if each.size]
    shaped += [{"resolution": each.resolution, "aspect": each.aspect} for each in frames]
    shaped += [{"resolution": each.resolution} for each in frames]
    qualities = dict.fromkeys(each for mode in modes for each in mode.quality or ())
    return {
        "frame": [*shaped, {"size": "640x360"}],
        "seconds": [*lengths_of(modes), 7],
        "audio": [True, False],
        "quality": [*qualities, "ultra"],
        "count": [2, 10],
        "negative": ["blurred", '模糊, "quotes" & \\ =?'],
        "seed": [0, 4_294_967_295],
    }


def _measures(chosen: Mapping[str, object]) -> WishedMeasures:
    frame = chosen.get("frame", {})
    assert isinstance(frame, Mapping)
    rest = {name: value for name, value in chosen.items() if name != "frame"}
    return WishedMeasures(**frame, **rest)  # type: ignore[arg-type]  # by name


def _inputs(modes: Sequence[Mode]) -> st.SearchStrategy[tuple[Input, ...]]:
    """Return a strategy for the inputs that some mode takes together, or a first frame."""
    sets = _input_sets(modes) or [(), (Role.FIRST_FRAME,)]
    return st.builds(
        lambda roles, form: tuple(picture(each, form) for each in roles),
        st.sampled_from([*sets, *sets, (Role.FIRST_FRAME,)]),
        st.sampled_from(Form),
    )


def _input_sets(modes: Iterable[Mode]) -> list[tuple[Role, ...]]:
    sets = {tuple(role for role, _ in each) for mode in modes for each in mode.inputs or ()}
    return sorted(sets)
