"""Read-only calls of git: it takes no lock and does not write its index."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, timeout_s: float = 60) -> str:
    """Return the output of ``git ARGUMENTS`` in `folder`.

    The result is empty if git fails, exceeds `timeout_s` or is not installed.
    """
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""
