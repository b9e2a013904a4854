"""One recorded run of the pipeline, and access to all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from statewright.record.journal import ID_TAG
from statewright.record.runs import PastRun

TRANSITION, STUDY, STAGE, TRIAL = "transition", "study", "stage", "trial"

RECORDED = ("ran", "restored", "done")
"""Status of a stage whose outputs count as its results."""

STATES: Mapping[str, str] = {"RUNNING": "running", "FINISHED": "finished", "FAILED": "failed"}
"""MLflow's status -> state of a run; any other status is ``stopped``."""

NO_RUN = "no run is recorded here yet; `statewright run` makes the first"


@dataclass(frozen=True)
class Values:
    """Params and metrics of one recorded run."""

    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Transition:
    """One run of a command, as people see it.

    MLflow may have several runs of it, one for each pipeline, which share a journal.

    Parameters
    ----------
    kind : str
        ``transition``, ``study`` (a search), or ``stage`` (one that ran without the engine).
    run : PastRun
        The recorded run; while MLflow does not have it, its id contains a slash.
    state : str
        ``running``, ``finished``, ``failed`` or ``stopped``.
    stages : tuple of PastRun
        The stages that had work, in the order of their start.
    trials : int
        Number of trials of a search.
    parts : tuple of Transition
        The runs of MLflow, if they are several; `run` is then the first, with the times of all.
    """

    kind: str
    name: str
    run: PastRun
    state: str
    stages: tuple[PastRun, ...] = ()
    trials: int = 0
    parts: tuple[Transition, ...] = ()

    @property
    def id(self) -> str:
        """Eight characters that name the run here, before and after MLflow has it."""
        return hashlib.sha256(self.journal.encode()).hexdigest()[:8] if self.journal else self.run.run_id[:8]

    @property
    def journal(self) -> str:
        """Name of the journal from which the run was recorded; empty for an old run."""
        return self.run.tags.get(ID_TAG, "").rpartition("/")[0]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids in MLflow."""
        return tuple(part.run.run_id for part in self.parts) or (self.run.run_id,)

    @property
    def is_recorded(self) -> bool:
        """True if MLflow has it."""
        return "/" not in self.run.run_id

    @property
    def started(self) -> float:
        """Start in seconds since 1970."""
        return self.run.started or 0.0

    @property
    def until(self) -> float:
        """Seconds since 1970 when its last stage had started."""
        return max((stage.started or 0.0 for stage in self.stages), default=self.started)

    def count(self, status: str) -> int:
        """Return the number of stages with a status."""
        return sum(stage.status == status for stage in self.stages)


@dataclass(frozen=True)
class TransitionStore:
    """Access to the recorded runs.

    Parameters
    ----------
    newest : callable
        Return the runs, the newest first, without their stages.
    with_stages : callable
        Return some runs with their stages.
    results : callable
        Map each stage to the latest record of its results at a time (seconds since 1970).
    values : callable
        Map the ids of runs to their params and metrics.
    absent : str, optional
        Reason why MLflow's store cannot be read; None if it was read.
    """

    newest: Callable[[], list[Transition]]
    with_stages: Callable[[Sequence[Transition]], list[Transition]]
    results: Callable[[float], dict[str, PastRun]]
    values: Callable[[Collection[str]], dict[str, Values]]
    absent: str | None = None


def nothing(reason: str) -> TransitionStore:
    """Return a store without runs, for a reason."""
    return TransitionStore(list, list, lambda until: {}, lambda ids: {}, reason)


def merged(parts: Sequence[Transition]) -> Transition:
    """Return the runs of one journal as one run."""
    if len(parts) == 1:
        return parts[0]
    first = min(parts, key=lambda part: part.started)
    ends = [part.started + part.run.seconds for part in parts if part.run.seconds is not None]
    took = max(ends) - first.started if len(ends) == len(parts) else None
    states = [part.state for part in parts]
    return replace(
        first,
        name="; ".join(dict.fromkeys(part.name for part in parts)),
        run=replace(first.run, seconds=took),
        state=next((state for state in ("running", "failed", "stopped") if state in states), "finished"),
        stages=tuple(
            sorted((stage for part in parts for stage in part.stages), key=lambda run: run.started or 0.0)
        ),
        trials=sum(part.trials for part in parts),
        parts=tuple(parts),
    )
