"""Programs are timed in turns, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.tuner.evaluate import paired_ratio
from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.timing import Bench, ProgramFailedError, environment, interleaved, timer
from tasks.tuner.params import EvaluateParams

WORK = """
import os, sys, time
def main(words):
    folder = os.path.dirname({log!r})
    with open({log!r}, "a") as file:
        file.write("{name} " + os.environ["POLARS_MAX_THREADS"] + " " + str(os.getpid()) + "\\n")
    end = time.process_time() + {seconds}
    while time.process_time() < end: pass
    time.sleep({sleep})
"""


def bench(folder: Path, repeats: int = 1) -> Bench:
    configurations = tuple(Configuration("pandas", threads=threads) for threads in (1, 1, 2))
    programs = []
    for number, (seconds, sleep) in enumerate(((0.02, 0.0), (0.005, 0.05), (0.01, 0.0))):
        path = folder / f"program_{number}.py"
        text = WORK.format(log=str(folder / "log"), name=number, seconds=seconds, sleep=sleep)
        path.write_text(text)
        programs.append(path)
    return Bench(configurations, tuple(programs), folder, repeats)


def test_cpu_and_wall_seconds_are_told_separately_and_each_round_has_every_program(tmp_path):
    with timer(bench(tmp_path)) as running:
        costs = interleaved(running, [0, 1, 2], rounds=4, seed=0)
        pids = {key: process.pid for key, process in running.processes.items()}
    assert costs.shape == (4, 3, 2)
    cpu, wall = np.median(costs, axis=0).T
    assert cpu[0] > cpu[1]
    assert wall[1] - cpu[1] > 0.04
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert {threads for number, threads, _ in lines if number == "2"} == {"2"}
    assert {int(pid) for number, _, pid in lines if number in "01"} == {pids["pandas", 1]}
    assert pids["pandas", 2] != pids["pandas", 1]
    # The first call of a program is a warm-up, which is not timed.
    names = [number for number, _, _ in lines]
    assert [names.count(name) for name in "012"] == [5, 5, 5]
    order = [number for number, _, _ in lines[-3:]]
    assert sorted(order) == ["0", "1", "2"]


def test_processes_end_with_the_block_and_imports_are_a_figure_of_their_own(tmp_path):
    with timer(bench(tmp_path)) as running:
        running.measure(0)
        (process,) = running.processes.values()
        assert process.poll() is None
        assert (running.imports["pandas"] > 0).all()
    assert process.poll() is not None


def test_a_program_that_fails_is_named_with_its_configuration(tmp_path):
    made = bench(tmp_path)
    made.programs[1].write_text("def main(words):\n    raise KeyError('no such column')\n")
    with timer(made) as running:
        with pytest.raises(ProgramFailedError, match=r"program_1\.py .*pandas.*(.|\n)*no such column"):
            running.measure(1)
        assert running.measure(0).shape == (2,)
    made.programs[1].write_text("import os\ndef main(words):\n    os._exit(3)\n")
    with timer(made) as running, pytest.raises(ProgramFailedError, match="ended with 3"):
        running.measure(1)


def test_the_number_of_threads_is_in_the_environment_before_an_import():
    assert environment(2)["POLARS_MAX_THREADS"] == "2"
    assert os.environ.get("POLARS_MAX_THREADS") != "2"


def test_the_stages_that_start_processes_never_import_polars():
    code = (
        "import sys, tasks.tuner.measure, tasks.tuner.evaluate, tasks.tuner.generator.timing, "
        "tasks.tuner.generator.generate; sys.exit('polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_paired_ratio_cancels_what_both_programs_share():
    rng = np.random.default_rng(0)
    load = rng.normal(0, 2, 40)
    first, second = load + np.log(1.2) + rng.normal(0, 0.02, 40), load + rng.normal(0, 0.02, 40)
    params = EvaluateParams(rounds=5, tolerance=1.1, draws=500, seed=0)
    ratio = paired_ratio(first - second, params)
    assert ratio.median == pytest.approx(1.2, abs=0.02)
    assert 1.15 < ratio.low < ratio.median < ratio.high < 1.25
    same = paired_ratio(np.zeros(5), params)
    assert (same.low, same.median, same.high) == (1, 1, 1)
