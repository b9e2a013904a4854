"""What files will be like when a stage's turn comes, as far as that can be known beforehand.

`Known` is filled on the walk of `decide`: what a stage will restore is known by its hash; of what a
stage will write by running, only the maker is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from statewright.state import Hashes, Observed, ParamKey
from statewright.workflow import Stage


@dataclass
class Makers:
    """Who makes which path; finds paths that lie in one another without trying all pairs."""

    at: dict[str, str] = field(default_factory=dict)
    below: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, path: str, maker: str) -> None:
        """Note who makes a path."""
        self.at[path] = maker
        for folder in _folders(path):
            self.below.setdefault(folder, {})[path] = maker

    def drop(self, path: str) -> None:
        """Forget a path."""
        if self.at.pop(path, None):
            for folder in _folders(path):
                del self.below[folder][path]

    def around(self, path: str) -> set[str]:
        """Makers of a folder of `path`, or of something in it."""
        above = {self.at[folder] for folder in _folders(path) if folder in self.at}
        return above | set(self.below.get(path, {}).values())

    def of(self, path: str) -> set[str]:
        """Makers of `path`, of a folder of it, or of something in it."""
        return self.around(path) | ({self.at[path]} if path in self.at else set())


@dataclass(frozen=True)
class Inputs:
    """What is known of a stage's inputs as they will be, and the stages on which the rest waits."""

    deps: Mapping[str, str | None]
    params: Mapping[ParamKey, Any]
    files: Collection[str] = ()
    """The params files of which is known what they will hold."""
    waiting: Collection[str] = ()


@dataclass
class Known:
    """What is known, part way through the walk, of files as they will be."""

    code_files: Collection[str]
    hashes: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: Makers = field(default_factory=Makers)
    restored: Makers = field(default_factory=Makers)
    runs: dict[Any, list[Mapping[Any, Any]]] = field(default_factory=dict)
    """What was known of the inputs of each run so far, by what the run looks like."""


def inputs_of(stage: Stage, seen: Observed, known: Known) -> Inputs:
    """What the stage will find; a frozen one does not look."""
    if stage.frozen:
        return Inputs(seen.deps_now, seen.params_now)
    deps: dict[str, str | None] = {}
    waiting = set()
    for path in stage.deps:
        # The hash of a restored folder says nothing of one file in it, nor a file's of its folder.
        makers = known.unknown.of(path) | known.restored.around(path)
        waiting |= makers
        if not makers and path not in seen.unseen:
            deps[path] = known.hashes.get(path, seen.deps_now.get(path))
    params: dict[ParamKey, Any] = {}
    files = []
    for file, declared in stage.params.items():
        # Nor does the hash of a restored params file say what it holds.
        makers = known.unknown.of(file) | (known.restored.of(file) if file not in known.contents else set())
        waiting |= makers
        if not makers:
            files.append(file)
            params.update(_params(file, declared, seen, known))
    return Inputs(deps, params, files, waiting)


def _params(file: str, declared: Collection[str], seen: Observed, known: Known) -> Iterator[Any]:
    if file not in known.contents:
        return ((key, value) for key, value in seen.params_now.items() if key[0] == file)
    contents = known.contents[file]
    return (((file, key), contents[key]) for key in declared or contents if key in contents)


def incomplete(stage: Stage, inputs: Inputs) -> bool:
    """Whether an input is missing: DVC then neither runs nor restores the stage, it complains."""
    return None in inputs.deps.values() or any(
        (file, key) not in inputs.params for file, keys in stage.params.items() for key in keys
    )


def mark_unknown(stage: Stage, known: Known) -> None:
    """Note that a stage will write its outputs anew."""
    if stage.frozen or (not stage.cmd and not stage.deps):
        return  # its files are left as they lie
    for out in stage.outs:
        known.unknown.add(out.path, stage.address)


def mark_restored(stage: Stage, seen: Observed, outs: Hashes, known: Known) -> None:
    """Note what a stage will have restored."""
    known.hashes.update(outs)
    for path, value in outs.items():
        if seen.outs.get(path) != "ok" or seen.outs_was.get(path) != value:
            known.restored.add(path, stage.address)
    for path, contents in seen.predicted.items():
        if outs.get(path) == seen.predicted_hashes[path]:
            known.contents[path] = contents


def mark_predicted(seen: Observed, known: Known) -> None:
    """Note the outputs that are known although their stage runs."""
    for path, contents in seen.predicted.items():
        known.unknown.drop(path)
        known.contents[path] = contents
        known.hashes[path] = seen.predicted_hashes[path]


def _folders(path: str) -> list[str]:
    """The folders in which a path lies: ``a`` and ``a/b`` of ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts)) if parts[n - 1]]
