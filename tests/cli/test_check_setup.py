"""`check` on a configuration that cannot work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tallylight.i18n import Language
from tests.conftest import Outcome

Command = Callable[..., Outcome]

CONFIG = """
upstreams:
  relay:
    provider: relay
    base_url: https://no-such-host.invalid/v1
    protocol: openai_videos
    dialect: new_api
    key: k
services:
  sora-2:
    upstream: relay
    model: sora-2
    access: reverse
"""
SAID = {
    Language.EN: ("Setup needed", "The host of base_url cannot be found."),
    Language.ZH_HANT: ("需要修正設定", "找不到 base_url 的主機。"),
    Language.ZH_HANS: ("需要修正配置", "找不到 base_url 的主机。"),
}


@pytest.mark.parametrize("language", Language)
def test_a_wrong_configuration_is_named_and_ends_with_2(
    command: Command, tmp_path: Path, language: Language
) -> None:
    config = tmp_path / "tallylight.yaml"
    config.write_text(CONFIG, encoding="utf-8")

    found = command("check", "--config", str(config), "--lang", language.value)

    label, sentence = SAID[language]
    assert found.code == 2
    assert label in found.out
    assert sentence in found.out
