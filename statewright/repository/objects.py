"""Move single objects between DVC's cache and a DVC remote.

An object is named by its hash, so it can be copied by several processes at once, and a copy that exists
is never copied again. The callers hold no lock of DVC: neither side removes objects.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dvc.repo import Repo

from statewright.masking import is_secret, mask_text
from statewright.repository.errors import collecting_transfer_errors, explain, translate_errors
from statewright.workflow import WorkflowError

_SECRETS = frozenset({"access_key_id", "connection_string", "gdrive_client_id", "password", "session_token"})
"""Settings of remotes that hold secrets, beside those that their name tells."""


@dataclass
class Objects:
    """A cache and a remote.

    Parameters
    ----------
    remote, cache : HashFileDB
        Stores of DVC.
    held : set of str
        Hashes that the remote is known to hold.
    moving : dict
        Hash that a thread pushes -> event of its end.
    """

    repo: Repo
    remote: Any
    cache: Any
    held: set[str] = field(default_factory=set)
    moving: dict[str, threading.Event] = field(default_factory=dict)
    mutex: threading.Lock = field(default_factory=threading.Lock)


def open_objects(repo: Repo, name: str | None = None) -> Objects:
    """Open a remote of a repository (default: its default remote).

    Raises
    ------
    WorkflowError
        If there is none, with the command that adds one.
    """
    if not name and not repo.config["core"].get("remote"):
        raise WorkflowError(
            "no DVC remote is set, and data travels through it between machines; "
            "`dvc remote add -d NAME URL` adds one that all of them can reach"
        )
    with translate_errors("DVC remote"):
        return Objects(repo, repo.cloud.get_remote_odb(name, "push"), repo.cache.local)


def public_settings(repo: Repo, name: str) -> dict[str, Any]:
    """Return the settings of a remote without secrets; paths are absolute."""
    return {
        key: value if isinstance(value, bool | int | float) else str(value)
        for key, value in repo.config["remote"][name].items()
        if not (key in _SECRETS or is_secret(key, value) or mask_text(str(value)) != str(value))
    }


def push_objects(objects: Objects, entries: Collection[Mapping[str, Any]]) -> None:
    """Copy the content of entries of `dvc.lock` from the cache to the remote.

    Raises
    ------
    OSError
        If an object is not in the cache or cannot be copied.
    """
    while True:
        ended = threading.Event()
        with objects.mutex:
            lacking = [item for item in _expand(objects, entries) if item.value not in objects.held]
            wanted = [item for item in lacking if item.value not in objects.moving]
            others = [objects.moving[item.value] for item in lacking if item.value in objects.moving]
            objects.moving.update(dict.fromkeys((str(item.value) for item in wanted), ended))
        try:
            if wanted:
                _transfer(objects, objects.cache, objects.remote, wanted, "pushed to")
                with objects.mutex:
                    objects.held.update(str(item.value) for item in wanted)
        finally:
            with objects.mutex:
                for item in wanted:
                    del objects.moving[item.value]
            ended.set()
        if not others:
            return
        # Stages that start together need the same inputs. What another thread could not push is tried again.
        for event in others:
            event.wait()


def fetch_objects(objects: Objects, entries: Collection[Mapping[str, Any]]) -> None:
    """Copy the content of entries from the remote to the cache; verify its hashes.

    Raises
    ------
    OSError
        If an object is not in the remote, cannot be copied or is corrupt.
    """
    folders = [hash_info for hash_info in map(_hash_info, entries) if hash_info.isdir]
    _transfer(objects, objects.remote, objects.cache, folders, "fetched from")
    _transfer(objects, objects.remote, objects.cache, [*_expand(objects, entries)], "fetched from")
    with objects.mutex:
        objects.held.update(str(hash_info.value) for hash_info in _expand(objects, entries))


def _hash_info(entry: Mapping[str, Any]) -> Any:
    from dvc_data.hashfile.hash_info import HashInfo

    return HashInfo("md5", str(entry["md5"]))


def _expand(objects: Objects, entries: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
    """Yield the hashes of files and folders, and of the files in the folders."""
    from dvc_data.hashfile.tree import Tree

    for hash_info in map(_hash_info, entries):
        yield hash_info
        if hash_info.isdir:
            yield from (entry for _, _, entry in Tree.load(objects.cache, hash_info))


def _transfer(objects: Objects, source: Any, target: Any, wanted: Collection[Any], what: str) -> None:
    from dvc_data.hashfile.transfer import transfer

    if not wanted:
        return
    wanted = set(wanted)
    # Of the cache, because a request to a remote takes a network's time.
    hashes = [str(hash_info.value) for hash_info in wanted]
    lacks = {*hashes}.difference(objects.cache.oids_exist(hashes)) if source is objects.cache else set()
    with collecting_transfer_errors() as errors:
        try:
            verified = target is objects.cache
            result = transfer(source, target, wanted, cache_odb=objects.cache, verify=verified)
        except Exception as error:  # of any file system behind fsspec
            raise OSError(_text(objects, len(wanted), what, error)) from error
    if target is objects.cache:
        lacks = {*hashes}.difference(objects.cache.oids_exist(hashes))
    if number := len(lacks) or len(result.failed):
        raise OSError(_text(objects, number, what, errors[0] if errors else None))


def _text(objects: Objects, number: int, what: str, error: BaseException | None) -> str:
    address = mask_text(objects.remote.fs.unstrip_protocol(objects.remote.path))
    cause = mask_text(explain(error)) if error else "the objects are missing or corrupt"
    return f"{number} of the objects could not be {what} the DVC remote {address}: {cause}"
