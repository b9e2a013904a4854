"""Commands that write files of a pipeline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from statewright.commands import OK


def init(options: argparse.Namespace) -> int:
    """Write the skeleton of a pipeline."""
    from statewright.functions.skeleton import write_pipeline

    for path in write_pipeline(Path.cwd(), options.pipeline):
        print(path)
    print(f"next: statewright check, then statewright run {options.pipeline}")
    return OK


def fingerprint(options: argparse.Namespace) -> int:
    """Write the hashes of the code that each stage reaches."""
    from statewright.files import save
    from statewright.fingerprint import fingerprints
    from statewright.terminal.words import counted

    hashes: dict[str, Any] = fingerprints(Path.cwd())
    save(hashes, options.out)
    print(f"{options.out}: code of {counted(len(hashes), 'stage')}")
    return OK
