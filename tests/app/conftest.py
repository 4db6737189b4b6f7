from collections.abc import Callable
from pathlib import Path

import pytest

from tallylight.config.settings import Configuration, load_settings
from tallylight.errors import ConfigurationError

Load = Callable[..., Configuration]
Complain = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads a configuration from its text."""

    def load(text: str, **environment: str) -> Configuration:
        path = tmp_path / "tallylight.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, environment)

    return load


@pytest.fixture
def complain(load: Load) -> Complain:
    """Return a function that loads an unusable configuration and returns what is wrong."""

    def complain(text: str, **environment: str) -> list[str]:
        with pytest.raises(ConfigurationError) as raised:
            load(text, **environment)
        return str(raised.value).splitlines()

    return complain
