"""Linux's inotify through the C library: reports of files that any process opens.

A watch on a folder reports its direct entries by name. The kernel queues an event while the file is
opened, so a read of the queue returns every open that happened before it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

OPEN, CLOSE_UNWRITTEN, CLOSE_WRITTEN = 0x20, 0x10, 0x08
"""A file was opened; a file was closed that was open for reading only, or for writing."""
CREATED, MOVED_HERE, IGNORED, OVERFLOWED, IS_FOLDER = 0x100, 0x80, 0x8000, 0x4000, 0x40000000
_NON_BLOCKING, _CLOSE_ON_EXEC = os.O_NONBLOCK, os.O_CLOEXEC
_HEADER = struct.Struct("iIII")


@dataclass(frozen=True)
class Event:
    """Kinds of access to a name in a watched folder, or to the path itself."""

    watch: int
    mask: int
    name: str


class Inotify:
    """An instance of inotify.

    Raises
    ------
    OSError
        If the system has none, or no more instances for this user.
    """

    def __init__(self) -> None:
        self.descriptor = _checked(_library().inotify_init1(_NON_BLOCKING | _CLOSE_ON_EXEC))

    def add(self, path: str, mask: int) -> int:
        """Watch a path and return the number of the watch, one for each inode.

        Raises
        ------
        OSError
            With ENOSPC if the user has no more watches.
        """
        return _checked(_library().inotify_add_watch(self.descriptor, os.fsencode(path), mask))

    def read(self) -> Iterator[Event]:
        """Yield all queued events without waiting."""
        while True:
            try:
                data = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                watch, mask, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size + length
                yield Event(watch, mask, os.fsdecode(data[at - length : at].rstrip(b"\0")))

    def close(self) -> None:
        """End all watches."""
        with suppress(OSError):
            os.close(self.descriptor)


@cache
def _library() -> Any:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "only Linux reports opened files")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
