"""A flow ends although Prefect cannot send its last events."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = "import threading, time; threading._register_atexit(time.sleep, 60)"
"""Blocks the exit, as Prefect does while its server does not answer."""


@pytest.mark.parametrize(("blocked", "status"), [(BLOCKED, 1), ("", 0)])
def test_the_end_of_a_flow_is_bounded(blocked: str, status: int) -> None:
    code = f"from statewright.running.prefect_runner import bound_exit; bound_exit(0.5)\n{blocked}"
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=50, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert ("did not accept the last events within 0.5 s" in done.stderr) == (status == 1)
