"""Leases on the DVC remote: a stage that two people start at once runs once.

A lease is a small file under the key of the stage's run (command, inputs and names of outputs)::

    REMOTE/statewright/leases/KEY/000001

Only its creation must be atomic. It is on a local folder and a mounted one (``O_EXCL``), and on S3 and
Google Cloud Storage (a conditional request). On other stores, the writer waits a moment and reads again:
two may then both get the lease, and both run the stage, which costs time and nothing else, because the
names of the results are hashes of their contents.

The owner writes the file again and again, with a counter. No clock is compared with that of another
machine: who waits measures with its own clock how long the file has not changed. After `TTL_S` seconds the
lease has expired, and the process that creates the next number owns it. An old owner that wakes up notices
the higher number, and removes nothing but its own file.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from statewright.masking import mask_text
from statewright.repository.remote_sharing import Remote

TTL_S = 60.0
"""Seconds after which a lease that was not renewed has expired."""
LONGEST_TTL_S = 600.0
"""Maximum of that number in a file, which anybody can write."""
SETTLE_S = 1.0
"""Seconds after which a store without atomic creation shows which of two writers was the last."""
LARGEST = 4096
"""Maximum number of bytes of a lease that is read."""


@dataclass(frozen=True)
class Lease:
    """A lease that this process holds; `beat` counts its renewals."""

    key: str
    stage: str
    number: int = 1
    beat: int = 0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=time.monotonic)
    ttl_s: float = TTL_S

    @property
    def data(self) -> bytes:
        """Content of the file."""
        values = {
            "owner": owner(),
            "stage": self.stage,
            "running_s": round(time.monotonic() - self.began, 1),
            "ttl_s": self.ttl_s,
            "beat": self.beat,
            "token": self.token,
        }
        return json.dumps(values).encode()


@dataclass(frozen=True)
class Holder:
    """Somebody else's lease as it was read.

    Parameters
    ----------
    running_s : float
        Seconds since it was taken, measured by its owner.
    ttl_s : float
        Seconds without a change after which it has expired.
    """

    number: int
    data: bytes
    owner: str = "somebody"
    stage: str = ""
    running_s: float = 0.0
    ttl_s: float = TTL_S


def owner() -> str:
    """Return the user and the machine, such as ``ana@gpu1``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname().partition('.')[0]}"


def acquire(remote: Remote, key: str, stage: str, ttl_s: float = TTL_S) -> Lease | Holder:
    """Take the lease of a key, or return who holds it."""
    lease = Lease(key, mask_text(stage), ttl_s=ttl_s)
    while True:
        numbers = _numbers(remote, key)
        if not numbers and _create(remote, _path(remote, key, 1), lease.data):
            return lease
        if numbers and (holder := _read(remote, key, numbers[-1])):
            return holder


def take_over(remote: Remote, key: str, stage: str, expired: Holder, ttl_s: float = TTL_S) -> Lease | None:
    """Take an expired lease.

    The result is None if somebody else was faster, or if its owner has come back.
    """
    lease = Lease(key, mask_text(stage), expired.number + 1, ttl_s=ttl_s)
    path = _path(remote, key, lease.number)
    if not _create(remote, path, lease.data):
        return None
    before = _read(remote, key, expired.number)
    if before is not None and before.data != expired.data:
        _remove(remote, path)
        return None
    _remove(remote, _path(remote, key, expired.number))
    return lease


def renew(remote: Remote, lease: Lease) -> Lease | None:
    """Write a lease again; return None if somebody has taken it over."""
    if any(number > lease.number for number in _numbers(remote, lease.key)):
        return None
    lease = replace(lease, beat=lease.beat + 1)
    remote.fs.fs.pipe_file(_path(remote, lease.key, lease.number), lease.data)
    return lease


def release(remote: Remote, lease: Lease) -> None:
    """Remove a lease; that of somebody who has taken it over stays."""
    path = _path(remote, lease.key, lease.number)
    _remove(remote, path)
    if remote.fs.protocol == "local":
        with suppress(OSError):  # somebody has taken the next number
            Path(path).parent.rmdir()


def _path(remote: Remote, key: str, number: int) -> str:
    return str(remote.fs.join(remote.path, "statewright", "leases", key, f"{number:06d}"))


def _numbers(remote: Remote, key: str) -> list[int]:
    remote.fs.fs.invalidate_cache()
    folder = remote.fs.parent(_path(remote, key, 1))
    try:
        names = [remote.fs.name(path) for path in remote.fs.ls(folder, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def _read(remote: Remote, key: str, number: int) -> Holder | None:
    """Return the lease with a number, or None if it has been released.

    A file without valid content is a lease too: its owner may be writing it.
    """
    try:
        with remote.fs.open(_path(remote, key, number), "rb") as stream:
            data = stream.read(LARGEST)
    except FileNotFoundError:
        return None
    try:
        values = json.loads(data)
        ttl_s = min(LONGEST_TTL_S, float(values["ttl_s"]))
        by, stage = str(values["owner"]), str(values["stage"])
        return Holder(number, data, by, stage, float(values["running_s"]), ttl_s)
    except (ValueError, KeyError, TypeError):
        return Holder(number, data)


def _create(remote: Remote, path: str, data: bytes) -> bool:
    """Create a file and return whether this process did it."""
    files = remote.fs
    if files.protocol == "local":
        return _create_local(path, data)
    if files.protocol in ("s3", "gs"):
        try:
            files.fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            if not _is_unsupported(error):
                raise
        else:
            return True
    if files.exists(path):
        return False
    files.makedirs(files.parent(path))
    files.fs.pipe_file(path, data)
    time.sleep(SETTLE_S)
    with files.open(path, "rb") as stream:
        return bool(stream.read(LARGEST) == data)


def _create_local(path: str, data: bytes) -> bool:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except (FileExistsError, FileNotFoundError):  # a release has removed the folder in between
        return False
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    return True


def _is_unsupported(error: Exception) -> bool:
    """Return whether a store does not know conditional requests."""
    # botocore names the code in brackets: a bare 501 may be part of the number of a request.
    text = f"{error} {error.__cause__ or ''}"
    return isinstance(error, NotImplementedError) or "(NotImplemented)" in text or "(501)" in text


def _remove(remote: Remote, path: str) -> None:
    with suppress(FileNotFoundError):
        remote.fs.remove(path)


def describe(holder: Holder, now: float) -> str:
    """Return who runs which stage since when, by the clock of this machine.

    Parameters
    ----------
    now : float
        Seconds of the epoch when the lease was read.
    """
    since = time.strftime("%H:%M", time.localtime(now - holder.running_s))
    return f"{holder.owner}, who runs '{holder.stage}' since {since}"
