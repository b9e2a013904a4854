"""Exchange files and runs of DVC's caches with the DVC remote.

``dvc push`` and ``dvc fetch`` take whole repositories, and hold the repository's lock. These functions take
the files of one stage and no lock, so that other stages go on. The layout is DVC's own::

    REMOTE/files/md5/ab/cdef...        a file, or the list of a folder (.dir)
    REMOTE/runs/KK/KEY/VALUE           a run: the stage's entry of dvc.lock under the hash of its inputs

Of a folder, the files are moved first and its list last, and of a result, the files before the run. So
a reader of a list or a run finds all that it names, whenever the writer was killed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from statewright.masking import mask_text
from statewright.repository.cached_files import CachedFile
from statewright.repository.declaration import Repository
from statewright.repository.errors import explain

ANSWER_S = 20.0
"""Seconds in which a remote must answer the first request."""
PUSH_JOBS = 4
"""Maximum number of files that one push sends at a time: stages need the machine and the network too."""
LARGEST_ENTRY = 16 * 2**20
"""Maximum number of bytes of a run that is read from a remote."""

T = TypeVar("T")


class RemoteError(RuntimeError):
    """The remote cannot be used; the message is one sentence."""


class DamagedError(OSError):
    """A file of the remote does not have the contents that its name says."""


@dataclass
class Moved:
    """Number and bytes of the files that were moved, and the errors."""

    files: int = 0
    bytes: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, other: Moved) -> None:
        """Add the files and errors of another move."""
        self.files += other.files
        self.bytes += other.bytes
        self.errors += other.errors


@dataclass(frozen=True)
class Remote:
    """The open default remote of a repository.

    Parameters
    ----------
    latency_s : float
        Seconds that an answer takes.
    has_runs : bool
        Whether it can list files, and so keep runs and leases; HTTP cannot.
    """

    repo: Any
    name: str
    address: str
    fs: Any
    path: str
    latency_s: float
    has_runs: bool
    databases: dict[tuple[str | None, str], Any] = field(default_factory=dict)

    def database(self, item: CachedFile) -> Any:
        """Return DVC's object database for a file, which may be that of another remote."""
        key = (item.remote, item.name)
        if key not in self.databases:
            self.databases[key] = self.repo.cloud.get_remote_odb(
                item.remote or self.name, "push", hash_name=item.name
            )
        return self.databases[key]

    def cache(self, item: CachedFile) -> Any:
        """Return the local cache that holds a file of its kind."""
        return self.repo.cache.legacy if item.name == "md5-dos2unix" else self.repo.cache.local

    def in_parallel(self, function: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
        """Call a function that waits for the remote with each item, several at a time."""
        if len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(len(items), max(4, self.fs.jobs))) as pool:
            return list(pool.map(function, items))


def open_remote(repository: Repository, *, timeout_s: float = ANSWER_S) -> Remote | None:
    """Open the default remote and wait for its first answer.

    Returns
    -------
    Remote or None
        None for a remote that keeps versions by itself (``version_aware``, ``worktree``): DVC has no run
        cache there, and its own commands move the data.

    Raises
    ------
    RemoteError
        If none is configured, or if it cannot be reached.
    """
    from dvc.config import NoRemoteError

    repo = repository.repo
    try:
        configured = repo.cloud.get_remote(None, "push")
        address = mask_text(configured.fs.unstrip_protocol(configured.path))
        if configured.worktree or configured.fs.version_aware:
            return None
    except NoRemoteError as error:
        raise RemoteError("no default remote is configured; `dvc remote add -d NAME URL` adds one") from error
    except Exception as error:
        raise RemoteError(f"the default remote cannot be used: {reason_of(error)}") from error
    subject = f"the remote '{configured.name}' ({address})"
    latency = _first_answers(configured, timeout_s)
    if isinstance(latency, str):
        raise RemoteError(f"{subject} cannot be reached: {latency}")
    http = configured.fs.protocol in ("http", "https")
    return Remote(repo, configured.name, address, configured.fs, configured.path, latency, has_runs=not http)


def _first_answers(configured: Any, timeout_s: float) -> float | str:
    """Return the seconds that an answer of a remote takes, or why there is none.

    The libraries of the stores try for minutes; a thread does that, which nobody waits for.
    """
    reasons: list[float | str] = []

    def ask() -> None:
        try:
            _ask(configured)  # this one opens the connection, and imports the library of the store
            began = time.monotonic()
            _ask(configured)
        except Exception as error:
            reasons.append(reason_of(error))
        else:
            reasons.append(time.monotonic() - began)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    return reasons[0] if reasons else f"no answer within {timeout_s:.0f} s"


def _ask(configured: Any) -> None:
    """Send one request; a missing file is an answer, too."""
    if configured.fs.protocol in ("http", "https"):
        # fsspec takes a refused connection for a file that does not exist.
        from fsspec.asyn import sync

        async def get(files: Any, url: str) -> None:
            session = await files.set_session()
            async with session.get(files.encode_url(url)):
                pass

        sync(configured.fs.fs.loop, get, configured.fs.fs, configured.path)
        return
    with suppress(FileNotFoundError):
        configured.fs.fs.info(configured.fs.join(configured.path, "files"))


def reason_of(error: BaseException) -> str:
    """Return the text of an error on one line, without secrets."""
    return " ".join(mask_text(explain(error) or type(error).__name__).split())


def absent_files(remote: Remote, items: Iterable[CachedFile]) -> list[CachedFile]:
    """Return the files and folders that the local cache does not have completely."""
    return [item for item in dict.fromkeys(items) if not _is_here(remote.cache(item), item)]


def _is_here(cache: Any, item: CachedFile) -> bool:
    if not Path(cache.oid_to_path(item.value)).is_file():
        return False
    return all(Path(cache.oid_to_path(value)).is_file() for value in _files_of(cache, item))


def _files_of(database: Any, folder: CachedFile) -> list[str]:
    """Return the hashes of the files in a folder; none for a file."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    if not folder.value.endswith(".dir"):
        return []
    tree = Tree.load(database, HashInfo(folder.name, folder.value))
    return list(dict.fromkeys(entry.value for _, _, entry in tree))


def files_on_remote(remote: Remote, items: Iterable[CachedFile]) -> set[CachedFile]:
    """Return the files and folders that the remote has, with a request each."""
    groups: dict[int, list[CachedFile]] = {}
    for item in dict.fromkeys(items):
        groups.setdefault(id(remote.database(item)), []).append(item)
    there: set[CachedFile] = set()
    for group in groups.values():
        values = set(remote.database(group[0]).list_oids_exists([item.value for item in group]))
        there |= {item for item in group if item.value in values}
    return there


def fetch_objects(remote: Remote, items: Iterable[CachedFile]) -> Moved:
    """Fetch the files and folders that the local cache lacks.

    Each is compared with its hash.

    Raises
    ------
    DamagedError
        If a file has other contents than its name says; it is not kept.
    Exception
        That of the store, for the first file that could not be fetched.
    """
    moved = Moved()
    for item in absent_files(remote, items):
        source, cache = remote.database(item), remote.cache(item)
        files = [v for v in _files_of(source, item) if not Path(cache.oid_to_path(v)).is_file()]
        for values in filter(None, (files, [item.value])):
            # Without `on_error`: with it, DVC keeps the first half of a file whose connection broke.
            cache.add([source.oid_to_path(v) for v in values], source.fs, values, verify=True)
            sizes = [_size(cache, value) for value in values]
            if None in sizes:
                raise DamagedError(f"{values[sizes.index(None)]} of the remote '{remote.name}' is damaged")
            moved.add(Moved(len(values), sum(size or 0 for size in sizes)))
    return moved


def _size(cache: Any, value: str) -> int | None:
    try:
        return Path(cache.oid_to_path(value)).stat().st_size
    except OSError:
        return None


def push_objects(remote: Remote, items: Iterable[CachedFile]) -> Moved:
    """Send the files and folders of the local cache that the remote lacks."""
    moved = Moved()
    items = list(dict.fromkeys(items))
    there = files_on_remote(remote, items)
    for item in items:
        if item in there:
            continue
        target, cache = remote.database(item), remote.cache(item)
        try:
            files = _files_of(cache, item)
            known = set(target.list_oids_exists(files)) if files else set()
            for values in filter(None, ([v for v in files if v not in known], [item.value])):
                errors = _add(target, cache, values)
                sent = [_size(cache, value) or 0 for value in values if value not in errors]
                moved.add(Moved(len(sent), sum(sent), list(errors.values())))
                if errors:
                    break  # without all of its files, the list of a folder is not sent
        except Exception as error:
            moved.errors.append(reason_of(error))
    return moved


def _add(target: Any, cache: Any, values: list[str]) -> dict[str, str]:
    errors: dict[str, str] = {}

    def note(value: str, error: BaseException) -> None:
        errors[value] = reason_of(error)

    paths = [cache.oid_to_path(value) for value in values]
    target.add(paths, cache.fs, values, check_exists=False, on_error=note, batch_size=PUSH_JOBS)
    return errors


def push_run(remote: Remote, key: str, value: str) -> Moved:
    """Send a run of the local run cache, unless the remote has it."""
    local, there = _local_run(remote, key, value), _remote_run(remote, key, value)
    if not remote.has_runs or not local.is_file() or remote.fs.exists(there):
        return Moved()
    try:
        remote.fs.makedirs(remote.fs.parent(there))
        remote.fs.put_file(str(local), there)
    except Exception as error:
        return Moved(errors=[reason_of(error)])
    return Moved(1, local.stat().st_size)


def read_run(remote: Remote, key: str) -> Mapping[str, Any] | None:
    """Return the newest run under a key of the remote, or None if it has none.

    A run is data from outside: it must have the hash of its name, and the key that was asked for. So it
    names the command, the inputs and the paths of the stage that asks, and no other path.
    """
    if not remote.has_runs:
        return None
    folder = remote.fs.join(remote.path, "runs", key[:2], key)
    remote.fs.fs.invalidate_cache()
    try:
        files = [info for info in remote.fs.ls(folder, detail=True) if info["type"] == "file"]
    except FileNotFoundError:
        return None
    for info in sorted(files, key=_changed, reverse=True):
        if (info.get("size") or 0) > LARGEST_ENTRY:
            continue
        # Not `open`, which asks an object store for the size first.
        entry = _parse_run(remote.fs.fs.cat_file(info["name"]), key, remote.fs.name(info["name"]))
        if entry is not None:
            return entry
    return None


def _changed(info: Mapping[str, Any]) -> float:
    """Return when a file of a store was written, in seconds of the store's clock."""
    when = next((info[k] for k in ("LastModified", "mtime", "last_modified", "modified") if info.get(k)), 0)
    return when.timestamp() if hasattr(when, "timestamp") else float(when) if _is_number(when) else 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _parse_run(data: bytes, key: str, value: str) -> Mapping[str, Any] | None:
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
    from voluptuous import Invalid

    try:
        entry = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(data.decode(), "run of the remote"))
        same = _get_cache_hash(dict(entry)) == value and _get_cache_hash(dict(entry), key=True) == key
    except (YAMLFileCorruptedError, Invalid, UnicodeDecodeError, TypeError, KeyError):
        return None
    return entry if same else None


def store_run(remote: Remote, key: str, entry: Mapping[str, Any]) -> None:
    """Write a run of the remote to the local run cache, as the newest under its key."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize._yaml import dumps_yaml

    from statewright.files import replacing
    from statewright.repository.plain_yaml import plain_yaml

    path = _local_run(remote, key, _get_cache_hash(dict(entry)))
    remote.repo.cache.legacy.makedirs(str(path.parent))
    with replacing(path) as temporary:
        temporary.write_text(plain_yaml(entry) or dumps_yaml(entry), encoding="utf-8")


def _local_run(remote: Remote, key: str, value: str) -> Path:
    return Path(remote.repo.stage_cache._get_cache_path(key, value))


def _remote_run(remote: Remote, key: str, value: str) -> str:
    return str(remote.fs.join(remote.path, "runs", key[:2], key, value))
