"""The state `S`: recorded results and current files, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from statewright.request import EVERYTHING, Request
from statewright.workflow import digest

ParamKey = tuple[str, str]
"""A params file and a key in it."""

UNCACHED = "not in cache"
LOST = ("deleted", UNCACHED)
"""DVC's statuses of an output that is missing on disk or in the cache."""

Hashes = Mapping[str, str | None]
"""Path -> content hash; None if the path does not exist."""

Recall = Callable[[str, Hashes, Mapping[ParamKey, Any]], Hashes | None]
"""(address, hashes of dependencies, params) -> hashes of the outputs in the run cache, or None."""

MayRecall = Callable[[str, Hashes, Mapping[ParamKey, Any]], bool]
"""(address, known hashes of dependencies, known params) -> whether a run in the run cache agrees."""


def recall_nothing(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
    """Return None, as an empty run cache does."""
    return None


def match_nothing(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
    """Return False, as an empty run cache does."""
    return False


@dataclass(frozen=True)
class StageState:
    """State of one stage: its entry in `dvc.lock` (`was`) and current files (`now`).

    Parameters
    ----------
    params_now : mapping
        Params that are in their files; an absent key is left out.
    outs : mapping of str to str
        Path -> ``ok``, ``new``, ``deleted``, ``modified`` or ``not in cache``.
    predicted : mapping of str to mapping
        Path -> contents of a JSON output that is known before the stage runs (code fingerprints).
    predicted_hashes : mapping of str to str
        Path -> hash of such an output.
    cmd_changed : bool
        DVC's own answer: it distinguishes a command from a list of one command.
    outs_only_uncached : frozenset of str
        Outputs that are unchanged on disk, but missing from the cache.
    missing_params : frozenset of str
        Params files that do not exist.
    remote : frozenset of str
        Inputs and outputs in a remote store or another repository; only a run checks them.
    not_on_disk : frozenset of str
        Recorded outputs that do not exist.
    not_cached : mapping of str to (str or None)
        Outputs that are neither on disk nor in the cache -> name of the remote that may have them.
    unavailable : frozenset of str
        Lost outputs that the remote does not have either; only a plan with `--pull` asks it.
    """

    recorded: bool
    cmd_was: tuple[str, ...] | None = None
    deps_was: Hashes = field(default_factory=dict)
    deps_now: Hashes = field(default_factory=dict)
    params_was: Mapping[ParamKey, Any] = field(default_factory=dict)
    params_now: Mapping[ParamKey, Any] = field(default_factory=dict)
    outs_was: Hashes = field(default_factory=dict)
    outs: Mapping[str, str] = field(default_factory=dict)
    predicted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    predicted_hashes: Hashes = field(default_factory=dict)
    cmd_changed: bool = False
    outs_only_uncached: frozenset[str] = frozenset()
    missing_params: frozenset[str] = frozenset()
    remote: frozenset[str] = frozenset()
    not_on_disk: frozenset[str] = frozenset()
    not_cached: Mapping[str, str | None] = field(default_factory=dict)
    unavailable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class State:
    """State of a repository at one moment.

    Parameters
    ----------
    stages : mapping of str to StageState
        By address.
    metrics : mapping of str to float
        ``file:key`` -> number, from the current metric files.
    recall, may_recall : callable
        Queries of the run cache; the only part of the state that is not a plain value.
    request : Request
        Options that say how missing data and the run cache are treated.
    """

    stages: Mapping[str, StageState]
    metrics: Mapping[str, float] = field(default_factory=dict)
    recall: Recall = recall_nothing
    may_recall: MayRecall = match_nothing
    request: Request = EVERYTHING

    @property
    def digest(self) -> str:
        """Hash of all recorded output hashes: states with equal digests hold equal files."""
        return digest({address: dict(observed.outs_was) for address, observed in self.stages.items()})
