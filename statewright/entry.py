"""Entry point of the command ``statewright``."""

from __future__ import annotations

import os
import sys

from statewright.unchanged import answer_without_planning


def run_and_exit() -> None:
    """Answer at once if nothing is to do; otherwise run the command line."""
    if answer_without_planning(sys.argv[1:]):
        os._exit(0)
    from statewright.environment import collect_less

    collect_less()
    from statewright import cli

    cli.run_and_exit()
