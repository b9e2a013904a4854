"""Ask git, without its taking locks or writing its index; an answer that it cannot give is empty."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, timeout_s: float = 60) -> str:
    """What ``git ARGUMENTS`` prints in `folder`; nothing if it fails, takes too long or is not there."""
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
