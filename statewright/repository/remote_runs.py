"""Look up on the remote, for a plan, which results it has.

The key of a stage needs the hashes of its inputs, and an input may be the output of another stage that is
restored. So a plan is made in rounds: each asks for the keys that it knows, in parallel, and the next one
knows more. After a round with few keys, as in a chain, the next one asks for the first few at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from statewright.repository.cached_files import CachedFile, files_of_run, local_run, recorded_files
from statewright.repository.declaration import Repository, relative
from statewright.repository.rates import Rate
from statewright.repository.remote_sharing import (
    Remote,
    absent_files,
    files_on_remote,
    read_run,
    reason_of,
)
from statewright.state import LOST, State

FEW, MOST_AT_ONCE = 2, 8
"""Number of keys below which a round asks at once, and how many it then asks, one after the other."""


@dataclass(frozen=True)
class Query:
    """Question to the remote: for the run under a key, or outputs of a known run."""

    key: str | None
    entry: Mapping[str, Any] | None
    names: tuple[tuple[str, str | None], ...]

    @property
    def identity(self) -> str:
        """Text that is equal for equal questions."""
        return self.key or repr((self.entry or {}).get("outs"))


@dataclass(frozen=True)
class Found:
    """A run that the remote has, and which of its outputs are not here."""

    entry: Mapping[str, Any]
    absent: tuple[CachedFile, ...]


@dataclass
class RemoteRuns:
    """Answers of the remote during one plan.

    Parameters
    ----------
    at_once : int
        Number of questions that this round asks at once, instead of in parallel after it.
    fetches : dict
        Address -> files that a restore fetches.
    problem : str or None
        Why the remote is not asked any more.
    """

    remote: Remote
    rate: Rate
    answers: dict[str, Found | None] = field(default_factory=dict)
    waiting: dict[str, Query] = field(default_factory=dict)
    at_once: int = 0
    fetches: dict[str, tuple[CachedFile, ...]] = field(default_factory=dict)
    problem: str | None = None

    def find(self, address: str, query: Query) -> Mapping[str, Any] | None:
        """Return the run that the remote has; None if it has none, or is asked later."""
        if query.identity not in self.answers and self.problem is None:
            if not self.at_once:
                self.waiting[query.identity] = query
                return None
            self.at_once -= 1
            self.answers[query.identity] = self._ask(query)
        found = self.answers.get(query.identity)
        if found is None:
            return None
        self.fetches[address] = found.absent
        return found.entry

    def next_round(self) -> bool:
        """Ask the open questions; return whether another round will know more."""
        if not self.waiting:
            return False
        self.at_once = MOST_AT_ONCE if len(self.waiting) <= FEW else 0
        if not self.at_once:
            answers = self.remote.in_parallel(self._ask, list(self.waiting.values()))
            self.answers.update(zip(self.waiting, answers, strict=True))
        self.waiting.clear()
        return self.problem is None

    def _ask(self, query: Query) -> Found | None:
        try:
            for entry in self._entries(query):
                files = files_of_run(entry, dict(query.names))
                absent = tuple(absent_files(self.remote, files))
                if len(files_on_remote(self.remote, absent)) == len(absent):
                    return Found(entry, absent)
        except Exception as error:
            self.problem = reason_of(error)
        return None

    def _entries(self, query: Query) -> Any:
        """Yield the runs that a restore tries, in its order."""
        if query.entry is not None:
            yield query.entry
        if query.key is not None:
            if local := local_run(self.remote.repo, query.key):
                yield local
            if entry := read_run(self.remote, query.key):
                yield entry

    def expected(self, address: str) -> tuple[int, float]:
        """Return the bytes that a restore fetches, and the expected seconds."""
        files = self.fetches[address]
        size = sum(file.size or 0 for file in files)
        return size, self.remote.latency_s * (1 + len(files) / self.remote.fs.jobs) + size / self.rate.value


def without_unavailable(
    repository: Repository, state: State, runs: RemoteRuns, addresses: Collection[str]
) -> State:
    """Return the state with the lost outputs that the remote lacks, too.

    The others are noted as fetches of their stages.
    """
    lost: dict[str, dict[str, CachedFile]] = {}
    for address in addresses:
        stage = repository.stages[address]
        paths = {path for path, status in state.stages[address].outs.items() if status in LOST}
        if not paths or stage.is_import:
            continue
        files = dict(zip(_paths(repository, stage), recorded_files(stage), strict=True))
        lost[address] = {path: file for path, file in files.items() if path in paths}
    try:
        absent = absent_files(runs.remote, [f for files in lost.values() for f in files.values()])
        there = files_on_remote(runs.remote, absent)
    except Exception as error:
        runs.problem = reason_of(error)
        return state
    stages = dict(state.stages)
    for address, files in lost.items():
        fetched = {path: file for path, file in files.items() if file in absent}
        gone = frozenset(path for path, file in fetched.items() if file not in there)
        stages[address] = replace(stages[address], unavailable=gone)
        if not gone:
            runs.fetches[address] = tuple(fetched.values())
    return replace(state, stages=stages)


def _paths(repository: Repository, stage: Any) -> list[str]:
    return [relative(out, repository.root) for out in stage.outs if out.use_cache and out.hash_info]
