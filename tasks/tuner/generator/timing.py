"""Measure programs: seconds in turns, and the peak memory of a process.

Programs of one engine with one number of threads share a process, which has imported their library
already: import time is a figure of its own. `interleaved` runs every program once in each round, in another
order each time, so that a change of the machine's load is a change for all of them. Nothing here imports an
engine: polars must not be in a process that forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.execute import DONE, Limits, execute
from tasks.tuner.generator.plan import Plan

Floats = NDArray[np.float64]
WORKER = Path(__file__).with_name("timing_worker.py")
COSTS = ("cpu", "wall")


class ProgramFailedError(RuntimeError):
    """Error of a program that ended with an exception; the message has its traceback."""


@dataclass(frozen=True)
class Bench:
    """Programs of one specification on one folder of tables.

    Attributes
    ----------
    programs : tuple of Path
        One file for each configuration.
    data : Path
        Folder of the sources.
    repeats : int
        Runs of one measurement, of which the fastest counts.
    """

    configurations: tuple[Configuration, ...]
    programs: tuple[Path, ...]
    data: Path
    repeats: int = 1

    def out(self, number: int) -> Path:
        """Return the file that a program writes."""
        return self.programs[number].with_suffix(".parquet")


def write_programs(
    plan: Plan, configurations: Sequence[Configuration], data: Path, folder: Path, repeats: int = 1
) -> Bench:
    """Write the program of every configuration; the result times them."""
    from tasks.tuner.generator.generate import emit

    folder.mkdir(parents=True, exist_ok=True)
    programs = []
    for number, configuration in enumerate(configurations):
        programs.append(folder / f"program_{number:03d}.py")
        programs[-1].write_text(emit(plan, configuration).text(), encoding="utf-8")
    return Bench(tuple(configurations), tuple(programs), data, repeats)


@dataclass
class Timer:
    """Running processes, one for each engine and number of threads.

    `imports` has, by engine, the CPU and wall seconds of importing its first program.
    """

    bench: Bench
    processes: dict[tuple[str, int], subprocess.Popen[str]] = field(default_factory=dict)
    imports: dict[str, Floats] = field(default_factory=dict)

    def measure(self, number: int) -> Floats:
        """Return CPU and wall seconds of one program.

        Raises
        ------
        ProgramFailedError
            If the program ended with an exception.
        """
        configuration = self.bench.configurations[number]
        process = self._process(configuration)
        assert process.stdin and process.stdout
        words = ["--data", str(self.bench.data), "--out", str(self.bench.out(number))]
        request = {
            "program": str(self.bench.programs[number]), "words": words, "repeats": self.bench.repeats
        }  # fmt: skip
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the process ended with {process.wait()}"}
        if "error" in answer:
            raise ProgramFailedError(f"{self.bench.programs[number]} ({configuration}): {answer['error']}")
        if "import_cpu" in answer:
            imported = np.array([answer["import_cpu"], answer["import_wall"]])
            self.imports.setdefault(configuration.engine, imported)
        return np.array([answer[cost] for cost in COSTS])

    def _process(self, configuration: Configuration) -> subprocess.Popen[str]:
        key = (configuration.engine, configuration.threads)
        if key not in self.processes:
            self.processes[key] = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(configuration.threads),
            )
        return self.processes[key]


@contextlib.contextmanager
def timer(bench: Bench) -> Iterator[Timer]:
    """Yield a timer; its processes end with the block."""
    running = Timer(bench)
    try:
        yield running
    finally:
        for process in running.processes.values():
            process.kill()
            process.communicate()


def environment(threads: int) -> Mapping[str, str]:
    """Return the environment of a process whose libraries use some threads."""
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def interleaved(running: Timer, numbers: Sequence[int], rounds: int, seed: int) -> Floats:
    """Return costs, (rounds, programs, 2): each round measures every program once."""
    rng = np.random.default_rng(seed)
    costs = np.empty((rounds, len(numbers), len(COSTS)))
    for turn in range(rounds):
        for place in rng.permutation(len(numbers)):
            costs[turn, place] = running.measure(numbers[place])
    return costs


def peak_memory(bench: Bench, number: int) -> float:
    """Return the peak memory in MiB of a fresh process that runs one program.

    Raises
    ------
    ProgramFailedError
        If the program ends with an error.
    """
    limits = Limits(seconds=300.0, threads=bench.configurations[number].threads)
    text = bench.programs[number].read_text(encoding="utf-8")
    execution = execute(text, bench.data, bench.out(number), limits)
    if execution.status != DONE:
        raise ProgramFailedError(f"{bench.programs[number]}: {execution.status}: {execution.error}")
    return execution.peak_mb
