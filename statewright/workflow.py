"""The workflow `W`: the declared stages and their dependencies, as plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from statewright.meta import StageSettings, interpret


@dataclass(frozen=True)
class Output:
    """File or folder that a stage writes.

    Parameters
    ----------
    role : str
        ``out``, ``metric`` or ``plot``.
    cached : bool
        Whether DVC keeps it in its cache.
    x : str, optional
        Column of a plot's x axis.
    persist : bool
        Whether DVC leaves it in place before the stage runs, so that the stage can read it.
    """

    path: str
    role: str = "out"
    cached: bool = True
    x: str | None = None
    persist: bool = False


@dataclass(frozen=True)
class Stage:
    """Stage as DVC resolved it; paths are relative to the repository.

    Parameters
    ----------
    params : mapping of str to tuple of str
        Params file -> keys that the stage reads; no keys mean the whole file.
    meta : object
        Contents of `meta:`, as the user wrote them; `settings` holds what the engine reads in it.
    plain : bool
        Whether the stage is a command with files: not frozen, no import, no data source.
    cell : mapping of str to object
        Axis -> value, if `matrix` or `foreach` in ``dvc.yaml`` makes several stages of one declaration.
    """

    address: str
    cmd: tuple[str, ...]
    deps: tuple[str, ...] = ()
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outs: tuple[Output, ...] = ()
    wdir: str = "."
    desc: str = ""
    frozen: bool = False
    always_changed: bool = False
    plain: bool = True
    meta: Any = None
    cell: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Name under `stages:`: the address without the cell of a matrix."""
        return self.address.partition("@")[0]

    @property
    def records_only(self) -> bool:
        """True if DVC records the files as they are: of a data source or a frozen stage."""
        return self.frozen or not (self.cmd or self.deps)

    @cached_property
    def settings(self) -> StageSettings:
        """Settings of the engine in `meta:`."""
        return interpret(self.meta)

    def number(self, key: str, default: float) -> float:
        """Return the number that `meta:` sets under `key`, or `default`."""
        value: float | None = getattr(self.settings, key)
        return default if value is None else value

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules in `meta.preload`, which a run imports once for all stages."""
        return self.settings.preload

    @property
    def rewrites(self) -> tuple[str, ...]:
        """Dependencies in `meta.rewrites`, which the command itself changes."""
        return self.settings.rewrites


@dataclass(frozen=True)
class Workflow:
    """Stages in an order in which they can run, and the edges between them.

    Parameters
    ----------
    stages : mapping of str to Stage
        Address -> stage, in the order in which ``dvc repro`` visits them.
    upstream : mapping of str to tuple of str
        Address -> addresses of the stages that write its dependencies.
    params : mapping
        Values of the params that the stages read, by file and key.
    """

    stages: Mapping[str, Stage]
    upstream: Mapping[str, tuple[str, ...]]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of stages, edges and params: workflows with equal digests do the same."""
        stages = [asdict(stage) for stage in self.stages.values()]
        for stage in stages:
            del stage["meta"], stage["desc"], stage["cell"]  # the address names the cell
            for out in stage["outs"]:
                if not out["persist"]:
                    del out["persist"]  # keep the digests that were recorded before the field existed
        return digest({"stages": stages, "params": self.params})

    def downstream(self, address: str) -> set[str]:
        """Return all stages that depend on `address`, directly or indirectly."""
        dependents = {address}
        for candidate in self.stages:
            if dependents & set(self.upstream[candidate]):
                dependents.add(candidate)
        return dependents - {address}

    def ancestors(self, targets: Iterable[str]) -> set[str]:
        """Return `targets` and all stages that they depend on, directly or indirectly."""
        needed = set(targets)
        for address in reversed(list(self.stages)):
            if address in needed:
                needed |= set(self.upstream[address])
        return needed


class WorkflowError(ValueError):
    """Error in the declaration or in a request; the message says how to fix it."""


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their dotted keys."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def digest(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def overlaps(first: str, second: str) -> bool:
    """Return whether two paths are equal or one contains the other."""
    a, b = PurePosixPath(first), PurePosixPath(second)
    return a == b or a in b.parents or b in a.parents
