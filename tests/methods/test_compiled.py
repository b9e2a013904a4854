"""The cache of compiled functions follows the files that a function calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLED = """
from methods.compiled import compiled

@compiled(inline="always")
def g(x):
    return x + {}
"""
CALLING = """
from methods.compiled import compiled
from pack.called import g

@compiled
def f(x):
    return g(x)
"""
RUN = "from pack.calling import f; print(f(1), sum(f.stats.cache_hits.values()))"


@pytest.mark.slow
def test_a_change_in_a_called_file_rebuilds_the_caller(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__init__.py").touch()
    (pack / "calling.py").write_text(CALLING)

    def run(number: int) -> list[int]:
        (pack / "called.py").write_text(CALLED.format(number))
        env = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run([sys.executable, "-c", RUN], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [int(part) for part in done.stdout.split()]

    # The value, and how many functions came from the cache: the calling file does not change.
    assert run(1) == [2, 0]
    assert run(1) == [2, 1]
    assert run(5) == [6, 0]
