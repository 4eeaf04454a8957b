"""The command line `allot`: starts processes, sends them decisions, shows views. See `command_line/`."""

from __future__ import annotations

import sys

from command_line.app import app
from command_line.doors import at_rest
from command_line.failures import exit_code_of


def main() -> None:
    """Runs one command. Its exit status says what went wrong, if anything did; see docs/commands.md."""
    status: str | int | None = 0
    try:
        app(prog_name="allot")
    except SystemExit as end:
        status = end.code
    except (Exception, KeyboardInterrupt) as error:
        status = exit_code_of(error)
    finally:
        at_rest()
    sys.exit(status)


if __name__ == "__main__":
    main()
