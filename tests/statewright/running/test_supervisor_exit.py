"""The end of a preloaded stage: threads, pools and exit functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = "from statewright.running.supervisor import exit_now\nimport threading, time\n"
PROGRAMS = {
    "open pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2)\n"
        "print(pool.submit(pow, 2, 5).result())\n",
        "32\n",
    ),
    "open pool of joblib": (
        "from joblib import Parallel, delayed\n"
        "print(sum(Parallel(n_jobs=2)(delayed(pow)(2, k) for k in range(5))))\n",
        "31\n",
    ),
    "thread that still works": (
        "threading.Thread(target=lambda: (time.sleep(0.3), print('done'))).start()\n",
        "done\n",
    ),
    "exit function": ("import atexit; atexit.register(print, 'bye')\n", "bye\n"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_stage_ends_with_its_exit_code(name: str) -> None:
    """Leave a pool open: it must not keep the stage running."""
    program, output = PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}{program}exit_now(3)"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, output), done.stderr
