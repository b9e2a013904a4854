"""The workflow `W`: the declared stages and how they depend on one another, as plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Output:
    """A file or folder that a stage writes; `role` is out, metric or plot.

    `persist`: DVC leaves it where it is when the stage runs, so that the stage may read its last version.
    """

    path: str
    role: str = "out"
    cached: bool = True
    x: str | None = None
    persist: bool = False


@dataclass(frozen=True)
class Stage:
    """One stage as DVC resolved it; paths are relative to the repository.

    Parameters
    ----------
    params : mapping of str to tuple of str
        For each params file the keys that the stage reads; none means the whole file.
    meta : mapping
        What `meta:` says: `cpu`, `ram_gb`, `gpu`, `retries`, `timeout_s`, `preload` are understood.
    plain : bool
        Whether the stage is a command with files: not frozen, no import, no data source.
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
    meta: Mapping[str, Any] = field(default_factory=dict)

    def number(self, key: str, default: float) -> float:
        """The number that `meta:` gives for `key`, or `default`."""
        value = self.meta.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise WorkflowError(
                f"stage '{self.address}': meta.{key} is {value!r}; expected a number of 0 or more in dvc.yaml"
            )
        return value

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that `meta.preload` names: a run imports them once for all stages that name some."""
        names = self.meta.get("preload", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise WorkflowError(
                f"stage '{self.address}': meta.preload is {names!r}; expected a list of modules in dvc.yaml"
            )
        return tuple(names)


@dataclass(frozen=True)
class Workflow:
    """All stages in an order that can be run, and the edges between them.

    Parameters
    ----------
    stages : mapping of str to Stage
        By address, in the order in which ``dvc repro`` would visit them.
    upstream : mapping of str to tuple of str
        For each address the addresses that make one of its dependencies.
    params : mapping
        The values of the params that the stages read, by file and key.
    """

    stages: Mapping[str, Stage]
    upstream: Mapping[str, tuple[str, ...]]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of stages, edges and params: two workflows with one digest do the same."""
        stages = [asdict(stage) for stage in self.stages.values()]
        for stage in stages:
            del stage["meta"], stage["desc"]
            for out in stage["outs"]:
                if not out["persist"]:
                    del out["persist"]  # as before there was the word, so that recorded digests stay
        return digest({"stages": stages, "params": self.params})

    def downstream(self, address: str) -> set[str]:
        """All stages that depend on `address`, directly or not."""
        found = {address}
        for other in self.stages:
            if found & set(self.upstream[other]):
                found.add(other)
        return found - {address}

    def ancestors(self, targets: Iterable[str]) -> set[str]:
        """`targets` and all stages that they depend on, directly or not."""
        found = set(targets)
        for address in reversed(list(self.stages)):
            if address in found:
                found |= set(self.upstream[address])
        return found


class WorkflowError(ValueError):
    """The declaration cannot be carried out; the message says where and what to do."""


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings with their dotted keys."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def digest(value: Any) -> str:
    """SHA-256 of a value written as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def overlaps(one: str, other: str) -> bool:
    """Whether two paths are equal or one lies inside the other."""
    a, b = PurePosixPath(one), PurePosixPath(other)
    return a == b or a in b.parents or b in a.parents
