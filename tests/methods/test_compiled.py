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


BYTES = """
import hashlib
import numpy as np
from methods.changepoint import NormalInverseWishart, exact_posterior
from methods.temporal.career_likelihood import value_and_gradient

def show(*arrays):
    print(hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest())

rng = np.random.default_rng(0)
count = rng.integers(8, 20, 40)
start = np.r_[0, np.cumsum(count)]
time = np.concatenate([np.sort(rng.choice(40, n, replace=False)) for n in count]).astype(float)
known = start, time, rng.uniform(0.05, 0.5, len(time)), np.ones((len(time), 1)), np.array([1.0, 4.0, 12.0])
weight = np.log(rng.dirichlet(np.ones(6)).reshape(2, 3))
at = rng.normal(size=len(time)), np.log([0.3, 0.9]), weight, np.array([0.3]), 0.1
show(*value_and_gradient(*known, *at))

y = np.concatenate([rng.normal(size=(50, 2)), rng.normal(1, 1, size=(50, 2))])
found = exact_posterior(y, NormalInverseWishart(np.zeros(2), 0.1, 4.0, np.eye(2)), 1.0, 2, 5, draws=0)
show(found.count_probability, found.regime_means)
"""


@pytest.mark.slow
def test_a_cold_and_a_warm_cache_give_equal_bytes(tmp_path: Path) -> None:
    # Careers' likelihood, of which a sampler makes a chain, and the sums over change points. Fast math in the
    # likelihood gave other last digits from the cache than from the compiler.
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}

    def run() -> list[str]:
        done = subprocess.run([sys.executable, "-c", BYTES], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    cold, stored = run(), set(tmp_path.rglob("*.nbc"))
    assert len(cold) == 2
    assert stored
    assert run() == cold
    # The second run compiled nothing.
    assert set(tmp_path.rglob("*.nbc")) == stored
