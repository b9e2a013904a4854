"""Values of the watch: what was seen of a command, and how far a stage is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WAITING, PREPARING, RUNNING, SAVING, FINISHED, FAILED = range(6)
"""Phases of a stage: its command runs between preparing and saving its outputs."""


@dataclass(frozen=True)
class Observation:
    """Files opened while the command of one stage ran.

    Parameters
    ----------
    exact : bool
        Whether no other stage ran, and no report was lost.
    reads : frozenset of str
        Outputs of other stages as declared, and files that git tracks.
    own : bool
        Whether the stage read its own outputs.
    stale : mapping of str to str
        Producer -> an output of it, or the folder of one, that was opened before it had finished.
    passed_on : mapping of str to str
        Earlier stage of this run -> a file that it wrote and this stage read, and none declares.
    unseen : mapping of str to str
        As `stale`, but the output is a new folder that the command names, and whose files it may have
        read before the folder was watched.
    """

    exact: bool = False
    reads: frozenset[str] = frozenset()
    own: bool = False
    stale: Mapping[str, str] = field(default_factory=dict)
    passed_on: Mapping[str, str] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_doubtful(self) -> bool:
        """True if the command may have read an output that was not final."""
        return bool(self.stale or self.unseen)


@dataclass
class Command:
    """A running command.

    Parameters
    ----------
    saving : dict of str to str
        As `stale`, but the engine was saving the output: it is final unless that fails.
    """

    since: int
    exact: bool
    reads: set[str] = field(default_factory=set)
    own: bool = False
    stale: dict[str, str] = field(default_factory=dict)
    saving: dict[str, str] = field(default_factory=dict)
    passed_on: dict[str, str] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)


@dataclass
class StageProgress:
    """Phase of a stage, and the number of the step in which it finished."""

    phase: int = FINISHED
    finished: int = 0
