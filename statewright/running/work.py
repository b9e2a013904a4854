"""State that the stages of one transition share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from statewright.drift import Environments
from statewright.planning.ordering import Ordering
from statewright.planning.plan import Plan
from statewright.reads.store import ReadStore
from statewright.record.journal import HeldFile
from statewright.repository import lock_writer
from statewright.request import Request
from statewright.running.changed_inputs import Replay
from statewright.running.launcher import Launcher, Usage
from statewright.running.live_log import LiveLog
from statewright.running.process import StageFailedError
from statewright.running.process import Watch as Lines
from statewright.running.recorder import Recorder
from statewright.running.watch import Watch
from statewright.terminal.display import Board
from statewright.workflow import Stage, Workflow

AGAIN = "again"
"""Outcome of a stage that opened a file before it was ready: nothing is recorded, it must run again."""


class Elsewhere(Protocol):
    """Runs the commands of stages on other machines, see `remote/coordinator.py`."""

    def takes(self, address: str) -> bool:
        """Return whether it runs a stage."""

    def run(self, stage: Stage, log: Path, watch: Lines, cancelled: Callable[[], bool]) -> Usage:
        """Run the commands of a stage, as `run_commands` does."""


@dataclass
class Work:
    """Everything that the stages of one transition share.

    Parameters
    ----------
    launcher, warm : Launcher
        Start commands; `warm` starts those of stages whose `meta:` names modules to preload.
    live : LiveLog
        Passes the output of the stages on to Prefect.
    replay : Replay or None
        Decides whether a stage itself has changed a dependency.
    elsewhere : Elsewhere or None
        Runs stages on other machines.
    watch : Watch or None
        Observes which files the stages open, if this system can.
    reads : ReadStore
        What stages were seen to read; filled by stages that run alone.
    times, outcomes, errors : dict
        Filled during the transition, see `Result`.
    stale : dict
        Address -> error of a stage that opened a file before its producer had finished.
    unrepeatable : set of str
        Stages that must not run a second time, because a dependency changed while they ran.
    notices : list of str
        Sentences to print at the end.
    copies : dict
        Hash, or path, of a small file -> the copy from which the recorder reads its columns.
    """

    name: str
    writer: lock_writer.LockWriter
    workflow: Workflow
    plan: Plan
    board: Board
    logs: Path
    recorder: Recorder
    launcher: Launcher
    warm: Launcher
    live: LiveLog
    ordering: Ordering
    replay: Replay | None = None
    elsewhere: Elsewhere | None = None
    watch: Watch | None = None
    reads: ReadStore = field(default_factory=ReadStore)
    flow_run: Mapping[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    stale: dict[str, StaleInputError] = field(default_factory=dict)
    unrepeatable: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    copies: dict[str, HeldFile] = field(default_factory=dict)
    environments: Environments = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the record of the environment in which the stages run."""
        self.environments = Environments(self.writer.repository.root)

    @cached_property
    def tracked(self) -> frozenset[str]:
        """Paths that DVC keeps: outputs of stages and of `.dvc` files."""
        return frozenset(
            out.path for stage in self.workflow.stages.values() for out in stage.outs if out.cached
        )

    def travels(self, address: str) -> bool:
        """Return whether another machine runs the commands of a stage."""
        return self.elsewhere is not None and self.elsewhere.takes(address)

    @property
    def request(self) -> Request:
        """The options of the run."""
        return self.writer.repository.request


class StaleInputError(StageFailedError):
    """A stage opened a file before its producer had finished; the message names both."""
