"""The commands: a thin face over `app`.

Exit codes: 0 fine, 1 something is not operational or a request failed, 2 bad usage or
configuration.
"""

import sys

from tallylight.cli import facts, past, running, watching
from tallylight.cli.shared import application
from tallylight.errors import ConfigurationError, TallylightError

watching.add_to(application)
past.add_to(application)
facts.add_to(application)
running.add_to(application)


def main() -> None:
    """Run the command line; errors of ours become one clear text and an exit code."""
    try:
        application()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except TallylightError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(1)
