"""Checkpoints of the trainings of a stage, in the folder of its `Progress`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statewright.contracts import Progress

if TYPE_CHECKING:
    from methods.training import Checkpoint


def checkpoint(progress: Progress, name: str, every: int) -> Checkpoint | None:
    """Return the checkpoint of one training of a stage, or None outside a run.

    Parameters
    ----------
    progress : Progress
    name : str
        Unique within the stage.
    every : int
        Updates between two checkpoints.
    """
    from methods.training import Checkpoint

    return None if progress.folder is None else Checkpoint(progress.folder / name, every)
