"""Scores our verdicts, the bound and the rules of other monitors on many worlds, as Markdown.

    python -m bench.verdicts.tables [WORLD ...] [--seeds 0 1 2] [--workers 2] [--ours-alone]
        [--feed-trust] [--at-least HOURS]

Without names every world is run. Each row is the mean over the seeds, with the least and the
largest value of one seed in brackets. The tables of `docs/rehearsal.md` are its output.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from statistics import fmean

from bench.verdicts.worlds import worlds
from tallylight.catalogue.services import PaceBasis
from tallylight.rehearsal.catalogue_service import TYPICAL_PACE
from tallylight.rehearsal.rules import OURS, RULES, UNBUDGETED, RuleScore, score_rule
from tallylight.rehearsal.run import RehearsalOptions
from tallylight.verdicts.options import PolicyOptions

_HEADINGS = (
    "rule",
    "seen",
    "median, min",
    "p90, min",
    "wrong status",
    "false alarms",
    "misnamed",
    "unknown",
    "changes",
    "USD per day",
)


def main() -> None:
    """Print one table for each world, as soon as it is complete."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("worlds", nargs="*", metavar="WORLD")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--ours-alone", action="store_true")
    options.add_argument("--feed-trust", action="store_true", help="believe pages as they earned")
    options.add_argument("--at-least", type=float, metavar="HOURS", help="between paid probes")
    given = options.parse_args()
    known = worlds()
    names = given.worlds or list(known)
    if unknown := set(names) - set(known):
        options.error(f"no world {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    settings = _settings(at_least=given.at_least, feed_trust=given.feed_trust)
    rules = [OURS] if given.ours_alone else [rule for rule in RULES if rule != UNBUDGETED]
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        tasks = {
            name: [pool.submit(_scores, name, seed, rules, settings) for seed in given.seeds]
            for name in names
        }
        for name, futures in tasks.items():
            for line in _table(name, futures):
                print(line, flush=True)


def _settings(*, at_least: float | None, feed_trust: bool) -> RehearsalOptions:
    pace = TYPICAL_PACE
    if at_least is not None:
        interval = timedelta(hours=at_least)
        pace = replace(pace, generation=interval, generation_basis=PaceBasis.AT_LEAST)
    return RehearsalOptions(pace=pace, policy_options=PolicyOptions(learned_feed_trust=feed_trust))


def _scores(
    world: str, seed: int, rules: Sequence[str], settings: RehearsalOptions
) -> list[RuleScore]:
    trace = worlds()[world]()
    return [score for rule in rules for score in score_rule(trace, seed, settings, rule)]


def _table(world: str, futures: Sequence[Future[list[RuleScore]]]) -> Iterator[str]:
    trace = worlds()[world]()
    by_seed = [future.result() for future in futures]
    yield (
        f"\n### {world}: {len(trace.services)} services, {trace.days:g} days, "
        f"{by_seed[0][0].score.outages} outages over five minutes, "
        f"{max(trace.traffic.values(), default=0):g} jobs per hour\n"
    )
    yield f"| {' | '.join(_HEADINGS)} |"
    yield f"| {' | '.join(['---'] * len(_HEADINGS))} |"
    for scores in zip(*by_seed, strict=True):
        yield f"| {' | '.join([scores[0].rule, *_cells(scores)])} |"


def _cells(seeds: Sequence[RuleScore]) -> Iterator[str]:
    scores = [each.score for each in seeds]
    outages = scores[0].outages
    yield _range([100 * s.seen_share for s in scores], "{:.0f}", "%") if outages else "–"
    yield _range([s.median_delay for s in scores], "{:.1f}")
    yield _range([s.p90_delay for s in scores], "{:.0f}")
    yield _range([100 * s.wrong_share for s in scores], "{:.2f}", "%")
    yield _range([s.false_alarms for s in scores], "{:.2f}")
    yield _range([100 * s.misnamed_share for s in scores], "{:.0f}", "%")
    yield _range([100 * s.unknown_share for s in scores], "{:.1f}", "%")
    yield _range([s.most_changes for s in scores], "{:.0f}")
    yield _range([s.spend_per_day for s in scores], "{:.2f}")


def _range(values: Sequence[float | None], form: str, unit: str = "") -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    show: Callable[[float], str] = form.format
    low, high = show(min(known)), show(max(known))
    mean = show(fmean(known)) + unit
    return mean if low == high else f"{mean} ({low}–{high})"


if __name__ == "__main__":
    main()
