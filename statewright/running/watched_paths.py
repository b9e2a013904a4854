"""The folders and files that a run watches, and the paths of the events in them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from statewright.planning.inputs import Producers
from statewright.running import inotify

MOST_WATCHES = 8192
"""Maximum number of watches of a run; a Linux user has at least as many."""
MASK = inotify.OPEN | inotify.CLOSE_UNWRITTEN | inotify.CLOSE_WRITTEN | inotify.CREATED | inotify.MOVED_HERE


@dataclass(frozen=True)
class PathEvent:
    """Kinds of access to a file.

    An overflow has no path. Mask 0 is a new folder that already holds files when its watch begins. A file of
    DVC's cache can have several paths in the repository, if it is linked there.
    """

    paths: tuple[str, ...]
    mask: int


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


class WatchedPaths:
    """Watches on all outputs with their folders, and on folders of tracked files.

    Parameters
    ----------
    producers : Producers
        Index of the declared outputs.
    tracked : frozenset of str
        Files to report besides the outputs.

    Attributes
    ----------
    complete : bool
        Whether all existing outputs are watched.
    problem : str or None
        Why some folders are not watched.
    """

    def __init__(self, root: Path, producers: Producers, tracked: frozenset[str]) -> None:
        self.tracked = tracked
        self.complete = True
        self.problem: str | None = None
        self._root = str(root)
        self._producers = producers
        self._is_closed = False
        self._inotify = inotify.Inotify()
        self.descriptor = self._inotify.descriptor
        self._watches: dict[int, tuple[str, ...]] = {}
        self._folders: set[str] = set()
        self._code_folders = {_folder_of(path) for path in tracked if path.endswith(".py")}
        self.covering_outputs = lru_cache(maxsize=65536)(self._covering_outputs)
        # Outputs come first: without tracked files, the order of the stages is still safe.
        self.cover_outputs(producers.at)
        for folder in sorted({_folder_of(path) for path in tracked}):
            self._add(folder)

    def close(self) -> None:
        """End all watches; later calls do nothing."""
        self._is_closed = True
        self._inotify.close()

    def relative(self, path: str) -> str | None:
        """Return an absolute path, or one below the root, relative to the repository."""
        full = os.path.normpath(path if path.startswith("/") else f"{self._root}/{path}")
        if full == self._root:
            return ""
        return full[len(self._root) + 1 :] if full.startswith(f"{self._root}/") else None

    def is_watched(self, path: str) -> bool:
        """Return whether a path is an output, in one or above one, or a tracked file."""
        known = path == "" or path in self.tracked or path in self._producers.below
        return known or bool(self.covering_outputs(path))

    def is_imported_from(self, folder: str) -> bool:
        """Return whether Python may list a folder because it imports from there."""
        return folder in self._code_folders or (folder == "" and bool(self._code_folders))

    def outputs_in(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield the outputs directly in a folder, with their producers."""
        outputs = self._producers.below.get(folder, {}) if folder else self._producers.at
        for output, producer in outputs.items():
            if _folder_of(output) == folder:
                yield output, producer

    def _covering_outputs(self, path: str) -> tuple[tuple[str, str], ...]:
        """Return the outputs that a path is, or is inside of, with their producers."""
        at = self._producers.at
        parts = path.split("/")
        candidates = ("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        return tuple((output, at[output]) for output in candidates if output in at)

    def events(self) -> Iterator[PathEvent]:
        """Yield the events before this call, and watch new folders of outputs."""
        if self._is_closed:
            return
        for event in self._inotify.read():
            if event.mask & inotify.OVERFLOWED:
                yield PathEvent((), inotify.OVERFLOWED)
                continue
            if event.mask & inotify.IGNORED:
                self._watches.pop(event.watch, None)
                continue
            paths = []
            for watched in self._watches.get(event.watch, ()):
                if event.mask & inotify.IS_FOLDER and not event.name and self._has_watched_parent(watched):
                    continue  # the watch on the folder above reports the same event
                path = f"{watched}/{event.name}" if watched and event.name else watched or event.name
                if event.mask & (inotify.CREATED | inotify.MOVED_HERE) and event.mask & inotify.IS_FOLDER:
                    self._cover_new_folder(path)
                    if self._holds_files(path):
                        yield PathEvent((path,), 0)
                paths.append(path)
            if paths:
                yield PathEvent(tuple(paths), event.mask)

    def _has_watched_parent(self, path: str) -> bool:
        return path != "" and _folder_of(path) in self._folders

    def _holds_files(self, path: str) -> bool:
        return any(files for _, _, files in os.walk(f"{self._root}/{path}"))

    def _cover_new_folder(self, path: str) -> None:
        if self.covering_outputs(path):
            self._cover_tree(path)
        elif path in self._producers.below:
            self.cover_outputs(list(self._producers.below[path]))

    def cover_outputs(self, outputs: Iterable[str]) -> None:
        """Watch outputs, with the folders in them and the folder that holds them."""
        for output in outputs:
            full = Path(self._root, output)
            if self.relative(output) is None or "://" in output:
                continue  # outside of the repository
            folder = _folder_of(output)
            while folder and not (Path(self._root, folder)).is_dir():
                folder = _folder_of(folder)
            self.complete &= self._add(folder)
            if full.is_dir():
                self._cover_tree(output)
            elif full.is_symlink():
                self.complete &= self._add(output)

    def _cover_tree(self, path: str) -> None:
        if not self._add(path):
            self.complete = False
            return
        with suppress(OSError), os.scandir(f"{self._root}/{path}") as entries:
            for entry in entries:
                if entry.is_symlink():
                    self.complete &= self._add(f"{path}/{entry.name}")
                elif entry.is_dir():
                    self._cover_tree(f"{path}/{entry.name}")

    def _add(self, path: str) -> bool:
        """Watch a path; return False if there are no more watches.

        A link into DVC's cache is watched itself: an open is reported where it points to.
        """
        if self._is_closed:
            return False
        if len(self._watches) >= MOST_WATCHES:
            self.problem = f"more than {MOST_WATCHES} folders"
            return False
        try:
            number = self._inotify.add(f"{self._root}/{path}", MASK)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.problem = "no more watches for this user (sysctl fs.inotify.max_user_watches)"
                return False
            return True  # the path is gone by now, or not readable for a stage either
        self._folders.add(path)
        # Two outputs with the same bytes can be links to the same file of DVC's cache.
        if path not in (paths := self._watches.get(number, ())):
            self._watches[number] = (*paths, path)
        return True
