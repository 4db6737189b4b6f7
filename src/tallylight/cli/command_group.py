"""Lists commands and explains refused options, as plain text without typer's internals."""

import re
from typing import TYPE_CHECKING

from typer import BadParameter
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Context
    from typer._click.formatting import HelpFormatter

_QUOTED = re.compile(r"'([^']*)'")
_NOT_A_CHOICE = "' is not one of "
"""What separates the value from the choices in pydantic's message."""


class PlainCommand(TyperCommand):
    """Shows a repeatable value as `<str>...`; typer shows the Python type."""

    def get_help(self, ctx: "Context") -> str:
        """Return the help text; the padding keeps its columns."""
        return super().get_help(ctx).replace("<list[str]>", "<str>...   ")


class CommandGroup(TyperGroup):
    """Lists the commands by panel, as plain text: boxes would break lines of error messages."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write one section for each panel."""
        limit = formatter.width - 6 - max(map(len, self.commands))
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            row = (name, command.get_short_help_str(limit))
            panels.setdefault(panel if isinstance(panel, str) else "Commands", []).append(row)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def invoke(self, ctx: "Context") -> object:
        """Run a command; a refused option is explained as a refused key of the configuration."""
        try:
            return super().invoke(ctx)
        except BadParameter as error:
            if error.__cause__ is not None:
                error.message = _option_message(error.__cause__) or error.message
            raise


def _option_message(error: BaseException) -> str:
    """Return why a value is refused, "" if the error is not one of pydantic's."""
    from pydantic import ValidationError

    from tallylight.documents.validation_messages import not_allowed_message, validation_message

    if not isinstance(error, ValidationError):
        return ""
    message = validation_message(error.errors(include_url=False)[0], (), {})
    value, separator, choices = message.rpartition(_NOT_A_CHOICE)
    if not separator:
        return message
    return not_allowed_message(value.removeprefix("'"), _QUOTED.findall(choices))
