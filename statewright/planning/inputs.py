"""Files as a stage will find them when it starts, as far as a plan can know them.

`decide` walks the stages in order and fills :class:`ExpectedFiles`. The hash of a file that a
stage will restore is known. Of a file that a stage will write by running, only the stage is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from statewright.state import Hashes, ParamKey, StageState
from statewright.workflow import Stage


@dataclass
class Producers:
    """Index from paths to the stages that write them, and to paths above and below."""

    at: dict[str, str] = field(default_factory=dict)
    below: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, path: str, producer: str) -> None:
        """Add a path with the address of the stage that writes it."""
        self.at[path] = producer
        for folder in _folders(path):
            self.below.setdefault(folder, {})[path] = producer

    def drop(self, path: str) -> None:
        """Remove a path."""
        if self.at.pop(path, None):
            for folder in _folders(path):
                del self.below[folder][path]

    def around(self, path: str) -> set[str]:
        """Return the producers of a folder above `path`, or of a path inside it."""
        above = {self.at[folder] for folder in _folders(path) if folder in self.at}
        return above | set(self.below.get(path, {}).values())

    def of(self, path: str) -> set[str]:
        """Return the producers of `path`, of a folder above it, or of a path inside it."""
        return self.around(path) | ({self.at[path]} if path in self.at else set())


@dataclass(frozen=True)
class Inputs:
    """Inputs of a stage as it will find them.

    Parameters
    ----------
    deps, params : mapping
        Hashes of dependencies and values of params that are known; a missing dependency is None.
    files : collection of str
        Params files with known contents.
    waiting : collection of str
        Addresses of the stages that will write the other inputs.
    """

    deps: Mapping[str, str | None]
    params: Mapping[ParamKey, Any]
    files: Collection[str] = ()
    waiting: Collection[str] = ()


@dataclass
class ExpectedFiles:
    """Files as they will be after the stages that the walk has decided so far.

    Parameters
    ----------
    code_files : collection of str
        Files that hold code fingerprints.
    hashes : dict of str to (str or None)
        Path -> hash, where a stage will change a file and the new hash is known.
    contents : dict of str to mapping
        Path -> contents of a params file that a stage will write, where they are known.
    unknown, restored : Producers
        Paths that stages will write with unknown contents, and paths that they will restore.
    blocked : set of str
        Addresses of stages that cannot run, because the data of an earlier stage is missing.
    runs : dict
        Signature of a run in the run cache -> the known inputs of each planned run that has it.
    """

    code_files: Collection[str]
    hashes: dict[str, str | None] = field(default_factory=dict)
    contents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: Producers = field(default_factory=Producers)
    restored: Producers = field(default_factory=Producers)
    blocked: set[str] = field(default_factory=set)
    runs: dict[Any, list[Mapping[Any, Any]]] = field(default_factory=dict)


def inputs_of(stage: Stage, stage_state: StageState, expected: ExpectedFiles) -> Inputs:
    """Return the inputs that a stage will find; a frozen stage reads none again."""
    if stage.frozen:
        return Inputs(stage_state.deps_now, stage_state.params_now)
    deps: dict[str, str | None] = {}
    waiting = set()
    for path in stage.deps:
        # The hash of a restored folder does not give the hashes of its files, nor the reverse.
        producers = expected.unknown.of(path) | expected.restored.around(path)
        waiting |= producers
        if not producers and path not in stage_state.remote:
            deps[path] = expected.hashes.get(path, stage_state.deps_now.get(path))
    params: dict[ParamKey, Any] = {}
    files = []
    for file, declared in stage.params.items():
        # Nor does the hash of a restored params file give its values.
        producers = expected.unknown.of(file) | (
            expected.restored.of(file) if file not in expected.contents else set()
        )
        waiting |= producers
        if not producers:
            files.append(file)
            params.update(_params(file, declared, stage_state, expected))
    return Inputs(deps, params, files, waiting)


def _params(
    file: str, declared: Collection[str], stage_state: StageState, expected: ExpectedFiles
) -> Iterator[Any]:
    if file not in expected.contents:
        return ((key, value) for key, value in stage_state.params_now.items() if key[0] == file)
    contents = expected.contents[file]
    return (((file, key), contents[key]) for key in declared or contents if key in contents)


def incomplete(stage: Stage, inputs: Inputs) -> bool:
    """Return whether an input is missing; DVC then reports an error only."""
    return None in inputs.deps.values() or any(
        (file, key) not in inputs.params for file, keys in stage.params.items() for key in keys
    )


def mark_unknown(stage: Stage, expected: ExpectedFiles) -> None:
    """Note that a stage will rewrite its outputs."""
    if stage.records_only:
        return  # DVC does not change its files
    for out in stage.outs:
        expected.unknown.add(out.path, stage.address)


def mark_restored(stage: Stage, stage_state: StageState, outs: Hashes, expected: ExpectedFiles) -> None:
    """Note the outputs that a stage will restore from the cache."""
    expected.hashes.update(outs)
    for path, value in outs.items():
        if stage_state.outs.get(path) != "ok" or stage_state.outs_was.get(path) != value:
            expected.restored.add(path, stage.address)
    for path, contents in stage_state.predicted.items():
        if outs.get(path) == stage_state.predicted_hashes[path]:
            expected.contents[path] = contents


def mark_predicted(stage_state: StageState, expected: ExpectedFiles) -> None:
    """Note the outputs whose contents are known although their stage runs."""
    for path, contents in stage_state.predicted.items():
        expected.unknown.drop(path)
        expected.contents[path] = contents
        expected.hashes[path] = stage_state.predicted_hashes[path]


def _folders(path: str) -> list[str]:
    """Return the folders above a path: ``a`` and ``a/b`` for ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts)) if parts[n - 1]]
