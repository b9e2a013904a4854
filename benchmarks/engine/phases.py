"""Phases of a small run: where each tenth of a second goes.

A run is measured in a process of its own, in which the functions at the borders of the phases are
wrapped by clocks. The seconds of a phase exclude the phases inside it. On a machine that does other
work, the seconds of the processor say more than those of the wall clock.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.engine.repositories import PYTHON, make_layers, settled

PHASES: dict[str, tuple[str, ...]] = {
    "read": (
        "statewright.repository.declaration:open_repository",
        "statewright.repository.declaration:declare",
        "statewright.repository.observation:observe",
    ),
    "plan": ("statewright.planning.plan:decide", "statewright.scheduling.prediction:schedule_plan"),
    "start": (
        "statewright.running.launcher:Launcher.__init__",
        "statewright.running.launcher:Launcher.start",
        "statewright.repository.lock_writer:begin",
    ),
    "watch": ("statewright.running.watch:open_watch", "statewright.running.watch:Watch.end"),
    "commands": ("statewright.running.process:run_commands",),
    "commit": ("statewright.repository.lock_writer:finish",),
    "record": (
        "statewright.running.recorder:Recorder.__init__",
        "statewright.running.recorder:Recorder.stage",
        "statewright.running.recorder:Recorder.close",
    ),
}


def print_phases(root: Path, repeat: int, stages: int = 8) -> None:
    """Print the seconds of each phase of a run of trivial stages."""
    rows: dict[str, list[Seconds]] = defaultdict(list)
    for _ in range(repeat):
        repository = make_layers(root / "phases", stages)
        started, used = time.time(), _children()
        output = subprocess.run(
            [PYTHON, "-m", __name__, str(started)], cwd=repository, capture_output=True, text=True, check=True
        ).stdout
        whole = Seconds(time.time() - started, _children() - used)
        measured = {phase: Seconds(*pair) for phase, pair in json.loads(output.splitlines()[-1]).items()}
        measured["exit"] = Seconds(whole.wall - measured.pop("end").wall, 0.0)
        measured["other"] = Seconds(
            whole.wall - sum(seconds.wall for seconds in measured.values()),
            whole.processor - sum(seconds.processor for seconds in measured.values()),
        )
        for phase, seconds in {**measured, "whole process": whole}.items():
            rows[phase].append(seconds)
        settled(repository)
    print(f"## Where the time goes: {stages} stages of 0 s, one after the other\n")
    print("| phase | seconds | of the processor |\n| --- | ---: | ---: |")
    for phase in ("import", *PHASES, "exit", "other", "whole process"):
        wall = statistics.median(seconds.wall for seconds in rows[phase])
        processor = statistics.median(seconds.processor for seconds in rows[phase])
        print(f"| {phase} | {wall:.2f} | {processor:.2f} |")
    print(flush=True)


@dataclass(frozen=True)
class Seconds:
    """Seconds of the wall clock and of the processor."""

    wall: float
    processor: float


def _children() -> float:
    """Return the processor seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Clocks:
    """Seconds of each phase, without those of the phases inside it."""

    def __init__(self) -> None:
        self.seconds = {phase: [0.0, 0.0] for phase in PHASES}
        self._inside = threading.local()

    def wrap(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with a clock around it."""

        def timed(*arguments: Any, **named: Any) -> Any:
            outer = getattr(self._inside, "spent", (0.0, 0.0))
            self._inside.spent, started = (0.0, 0.0), (time.perf_counter(), time.thread_time())
            try:
                return function(*arguments, **named)
            finally:
                took = (time.perf_counter() - started[0], time.thread_time() - started[1])
                for clock in (0, 1):
                    self.seconds[phase][clock] += took[clock] - self._inside.spent[clock]
                self._inside.spent = (outer[0] + took[0], outer[1] + took[1])

        return timed

    def install(self) -> None:
        """Wrap the functions of all phases, wherever they are imported."""
        for phase, names in PHASES.items():
            for name in names:
                module, _, path = name.partition(":")
                *owners, attribute = path.split(".")
                owner: Any = import_module(module)
                for step in owners:
                    owner = getattr(owner, step)
                original = getattr(owner, attribute)
                timed = self.wrap(phase, original)
                setattr(owner, attribute, timed)
                for loaded in [m for n, m in sys.modules.items() if n.startswith("statewright")]:
                    for key, value in list(vars(loaded).items()):
                        if value is original:
                            setattr(loaded, key, timed)


def main() -> None:
    """Run a repository and print the seconds of each phase as JSON."""
    started = float(sys.argv[1])
    from statewright.environment import collect_less

    collect_less()
    import statewright.session
    import statewright.transition  # noqa: F401
    from statewright.cli import main as run
    from statewright.running.supervisor import exit_now

    imported = (time.time() - started, time.process_time())
    clocks = Clocks()
    clocks.install()
    try:
        run(["run"])
    except SystemExit as end:
        if end.code:
            raise
    print(json.dumps({"import": imported, **clocks.seconds, "end": (time.time() - started, 0.0)}))
    exit_now(0)  # as the command does


if __name__ == "__main__":
    main()
