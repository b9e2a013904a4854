"""Functions that a study calls, such as those that record its trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from statewright.tuning.study import Study, Trial


@dataclass(frozen=True)
class Prune:
    """The decision to stop a poor trial: the last intermediate value, and why."""

    value: float | None
    reason: str


@dataclass(frozen=True)
class Hooks:
    """Functions that a study calls.

    Parameters
    ----------
    begun : tuple of callables
        Called with the study before the first trial, also when it resumes.
    finished : tuple of callables
        Called with study, trial and checkout after each trial that ran, before it is in the journal; they
        return the trial, possibly with the name of an experiment.
    ended : tuple of callables
        Called with the study at its end; they return lines to print.
    prune : callable, optional
        Called several times a second with study, running trial and checkout; returns whether to stop it.
    """

    begun: tuple[Callable[[Path, Study], None], ...] = ()
    finished: tuple[Callable[[Path, Study, Trial, Path], Trial], ...] = ()
    ended: tuple[Callable[[Path, Study], list[str]], ...] = ()
    prune: Callable[[Study, Trial, Path], Prune | None] | None = None
