"""How one service serves wishes; caches results, as wishes are often alike."""

from bisect import bisect_left

from tallylight.catalogue.choices import Mismatch, Requirements
from tallylight.catalogue.fit import Expressible, Fitted, fit_requirements
from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import Wording

_MAX_CACHED = 512


class Fitter:
    """Fits wishes to one service."""

    __slots__ = ("_can", "_found", "_prompt_limits", "service")

    def __init__(self, service: Service, can: Expressible) -> None:
        self.service = service
        self._can = can
        limits = {mode.longest_prompt for mode in service.sheet.modes}
        self._prompt_limits = sorted(limit for limit in limits if limit is not None)
        self._found: dict[tuple[Requirements, int], Fitted | Mismatch] = {}

    @property
    def wording(self) -> Wording:
        """Return how orders are spelled for the service."""
        return self._can.wording or Wording()

    def fit(self, wanted: Requirements, prompt_length: int) -> Fitted | Mismatch:
        """Return what `catalogue.fit.fit_requirements` returns for the service."""
        # Of a prompt's length, only the limits that it exceeds matter.
        key = wanted, bisect_left(self._prompt_limits, prompt_length)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MAX_CACHED:
                self._found.clear()
            found = fit_requirements(wanted, prompt_length, self.service, self._can)
            self._found[key] = found
        return found
