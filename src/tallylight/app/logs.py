"""Writes log events to standard error, as lines of text or as JSON.

Tracebacks are plain: the rich form prints local variables, which may be keys. What upstreams say is
redacted where it arrives; as a last net, the keys of the configuration are masked in each line.
"""

import contextlib
import logging
import sys
from collections.abc import Iterable
from typing import TextIO, cast

import structlog

from tallylight.upstreams.redact import MASK, redact_secrets

_ROUTINE_LEVELS = frozenset({"debug", "info"})


class _SecretMask:
    """The last processor: masks secrets in a line."""

    def __init__(self) -> None:
        self.secrets: tuple[str, ...] = ()

    def __call__(self, _logger: object, method: str, rendered: object) -> str:
        line = str(rendered)
        if method in _ROUTINE_LEVELS:  # too many to search them for each encoding
            for secret in self.secrets:
                line = line.replace(secret, MASK)
            return line
        return redact_secrets(line, self.secrets)


class LogStream:
    """Standard error, to which a line is lost if it cannot be written: a full disk stops nobody."""

    def write(self, text: str) -> object:
        """Write a text, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        """Flush, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


_mask = _SecretMask()


def mask_in_logs(secrets: Iterable[str]) -> None:
    """Mask these secrets in all further lines, in place of those before."""
    _mask.secrets = tuple(sorted(set(secrets), key=len, reverse=True))


def configure_logs(*, as_json: bool, level: int = logging.INFO) -> None:
    """Write our events, and those of libraries from WARNING on, to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if as_json:
        final = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    final.append(_mask)
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LogStream())),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(LogStream())
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[libraries], force=True)


def configure_warnings_only() -> None:
    """Write warnings only: for commands that print their result themselves."""
    configure_logs(as_json=False, level=logging.WARNING)


def configure_for_library() -> None:
    """Pass events to the standard library's loggers: for programs that use our library.

    The program then configures them like those of all libraries. If it has configured structlog
    itself, nothing changes.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
            _mask,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
