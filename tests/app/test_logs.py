"""Log lines show no key of the configuration."""

import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import structlog

from tallylight.app.logs import configure_for_library, configure_logs, mask_in_logs
from tallylight.config.secrets import configured_secrets
from tallylight.config.settings import Configuration

Load = Callable[..., Configuration]

KEY = "sk-Planted/4711+abcdefgh"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers = logging.root.handlers[:]

    yield

    mask_in_logs(())
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.mark.parametrize("as_json", [True, False])
def test_a_key_in_an_event_or_an_exception_is_masked(
    as_json: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(as_json=as_json)
    mask_in_logs([KEY])
    log = structlog.get_logger()

    log.info("asked", url=f"https://shop.example/{KEY}/usage")
    log.warning("odd", url=quote(KEY, safe=""), basic=b64encode(f"x:{KEY}".encode()).decode())
    try:
        int(KEY)
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").warning("sent %s", KEY)

    shown = capsys.readouterr().err
    assert shown.count("***") == 5
    assert "4711" not in shown
    assert "ValueError" in shown


def test_a_program_that_uses_the_library_sees_no_key(caplog: pytest.LogCaptureFixture) -> None:
    configure_for_library()
    mask_in_logs([KEY])

    structlog.get_logger("tallylight").error("failed", text=KEY)

    assert caplog.messages == ["event='failed' text='***'"]


def test_all_secrets_of_a_configuration_are_masked(load: Load) -> None:
    configuration = load(
        """
upstreams:
  a: {provider: pa, base_url: "https://a.example/v1", key: sk-of-upstream-a}
services:
  s: {upstream: a, model: m, access: official}
alerts:
  receivers: {team: {url: "json://token-of-team@127.0.0.1/"}}
gateway:
  open: true
  webhooks:
    shop:
      url: "https://shop.example/hook/tok3n-of-shop"
      secret: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"
database: {url: "postgresql://tl:pass%2Fword-1@127.0.0.1/tl"}
"""
    )

    assert configured_secrets(configuration) == {
        "sk-of-upstream-a",
        "token-of-team",
        "tok3n-of-shop",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5",
        "pass%2Fword-1",
        "pass/word-1",
    }
