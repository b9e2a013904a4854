"""Entry point of the command ``statewright``."""

from __future__ import annotations

import gc
import os
import sys

from statewright.unchanged import answer_without_planning

COLLECTED_AFTER = 100_000
"""Number of new objects after which Python looks for garbage.

The imports create objects that stay. By default, Python looks for garbage among them 200 times, which
takes a tenth of the imports.
"""


def run_and_exit() -> None:
    """Answer at once if nothing is to do; otherwise run the command line."""
    if answer_without_planning(sys.argv[1:]):
        os._exit(0)
    gc.set_threshold(COLLECTED_AFTER)
    from statewright import cli

    cli.run_and_exit()
