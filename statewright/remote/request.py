"""What the coordinator and a worker send one another: plain data, never code.

A request names everything that decides the result of a stage, and a worker trusts none of it blindly: it
hashes the dependencies that it has checked out and compares them. Values of environment variables and
secrets of a DVC remote are never in a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

RAN = "ran"
FAILED = "failed"
NO_SOURCE = "no source"
"""Answer of a worker that does not have the source files yet; nothing ran."""
REPEATED = "repeated"
"""Answer of a worker that was asked to start an attempt which another worker has started; nothing ran."""


@dataclass(frozen=True)
class SourceName:
    """Name of the source files of a run, see `source.py`.

    Parameters
    ----------
    commit : str
        The commit that is checked out at the coordinator; empty if there is none.
    tree : str
        Hash of git's tree of the files as they are on disk, without the outputs of stages.
    below : str
        Folder of the DVC repository in the git repository.
    """

    commit: str
    tree: str
    below: str = "."


@dataclass(frozen=True)
class RemoteStore:
    """DVC remote through which data travels.

    Parameters
    ----------
    name : str
        Name in DVC's configuration.
    settings : mapping of str to object
        Its settings, without secrets. A worker gets those from its own environment or configuration.
    local_config : str
        Path of the coordinator's `.dvc/config.local`. A worker that can read it uses its secrets.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    local_config: str = ""


@dataclass(frozen=True)
class StageRequest:
    """One attempt at one stage.

    Parameters
    ----------
    token : str
        Identity of the attempt. An answer with another token is ignored.
    topic : str
        Topic of Dask's events under which the worker reports the output.
    entry : mapping of str to object
        The stage as in `dvc.lock`: `cmd`, `deps` with hashes, `params` with values, and `outs` with
        paths only; the paths are relative to `wdir`.
    wdir : str
        Folder of the stage, relative to the DVC repository.
    inputs : list of mapping
        Entries, as of `deps`, whose content comes from the DVC remote, and not from git.
    folders : list of str
        Folders of the outputs that exist before the stage runs, relative to `wdir`.
    variables : list of str
        Names of environment variables that the params refer to.
    timeout_s : float
        Limit for the commands, in seconds; 0 for none.
    environment : mapping of str to str
        Fingerprint of the coordinator's software; a worker that differs refuses the stage.
    """

    address: str
    token: str
    topic: str
    source: SourceName
    store: RemoteStore
    entry: Mapping[str, Any]
    wdir: str = "."
    inputs: Sequence[Mapping[str, Any]] = field(default_factory=list)
    folders: Sequence[str] = field(default_factory=list)
    variables: Sequence[str] = field(default_factory=list)
    timeout_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return text, numbers, lists and dicts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StageRequest:
        """Return the request that `as_dict` described."""
        source, store = SourceName(**values["source"]), RemoteStore(**values["store"])
        return cls(**{**values, "source": source, "store": store})


@dataclass(frozen=True)
class StageAnswer:
    """Answer of a worker.

    Parameters
    ----------
    status : str
        `RAN`, `FAILED`, `NO_SOURCE` or `REPEATED`.
    error : str
        Cause of a failure.
    outs : list of mapping
        Entries, as in `dvc.lock`, of the outputs; all of their content is in the DVC remote.
    log : bytes
        Output of the commands, compressed by zlib; of a long output its beginning and its end.
    ram_gb, cpu_s : float
        Peak memory of the largest process in GiB, processor time in seconds.
    """

    token: str
    status: str
    host: str
    worker: str
    error: str = ""
    outs: Sequence[Mapping[str, Any]] = field(default_factory=list)
    log: bytes = b""
    ram_gb: float = 0.0
    cpu_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return text, bytes, numbers, lists and dicts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StageAnswer:
        """Return the answer that `as_dict` described."""
        return cls(**values)
