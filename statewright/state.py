"""The state `S`: what has been done, and what lies there now, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from statewright.workflow import digest

ParamKey = tuple[str, str]
"""A params file and a key in it."""

Hashes = Mapping[str, str | None]
"""Path -> content hash; None if nothing lies there."""

Recall = Callable[[str, Hashes, Mapping[ParamKey, Any]], Hashes | None]
"""(address, hashes of the dependencies, params) -> hashes of the outputs that the run cache holds."""

MayRecall = Callable[[str, Hashes, Mapping[ParamKey, Any]], bool]
"""(address, the known hashes of dependencies, the known params) -> whether a remembered run agrees."""


def recall_nothing(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> Hashes | None:
    """A run cache with nothing in it."""
    return None


def remember_nothing(address: str, deps: Hashes, params: Mapping[ParamKey, Any]) -> bool:
    """A run cache in which no run agrees with what is known."""
    return False


@dataclass(frozen=True)
class Observed:
    """One stage: what `dvc.lock` recorded of it (`was`) and what is there (`now`).

    `outs` says of each output: ``ok``, ``new``, ``deleted``, ``modified`` or ``not in cache``;
    `outs_only_uncached` are those that lie there as recorded, and that the cache has lost.
    `cmd_changed` is what DVC says, to which a command and a list of one command are not the same.
    A parameter that is not in its file is not in `params_now`.
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
    """Contents of a JSON output that is known before the stage runs (code fingerprints)."""
    predicted_hashes: Hashes = field(default_factory=dict)
    cmd_changed: bool = False
    outs_only_uncached: frozenset[str] = frozenset()
    params_gone: frozenset[str] = frozenset()
    """Params files that are not there."""
    unseen: frozenset[str] = frozenset()
    """Inputs and outputs out of reach (a store, another repository): only a run looks at them."""


@dataclass(frozen=True)
class State:
    """The state of a repository at one moment.

    Parameters
    ----------
    stages : mapping of str to Observed
        By address.
    metrics : mapping of str to float
        ``file:key`` -> number, from the metric files that lie there.
    recall, may_recall : callable
        Look the run cache up; the one part of the state that is not a value.
    """

    stages: Mapping[str, Observed]
    metrics: Mapping[str, float] = field(default_factory=dict)
    recall: Recall = recall_nothing
    may_recall: MayRecall = remember_nothing

    @property
    def digest(self) -> str:
        """A hash of all recorded output hashes: two states with one digest hold the same files."""
        return digest({address: dict(observed.outs_was) for address, observed in self.stages.items()})
