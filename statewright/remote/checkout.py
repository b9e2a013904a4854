"""The checkouts of a worker process.

::

    FOLDER/sources/   packs of source files, as the coordinator sent them
    FOLDER/cache/     DVC's cache of the worker; content-addressed, so all its stages share it
    FOLDER/slot-0/    a checkout; one stage at a time

FOLDER is below Dask's own folder of the worker, which Dask removes when the worker ends. Two processes
never share one, and a stage leaves nothing for the next one except what is in the cache.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from statewright.files import replacing
from statewright.remote.request import SourceName
from statewright.remote.source import run_git

KEPT = (".dvc/config.local", ".dvc/tmp")
"""Files of ours in the checkout."""


class NoSourceError(RuntimeError):
    """The worker does not have the source files of a request."""


@dataclass
class Slot:
    """A checkout, for one stage at a time."""

    folder: Path
    source: SourceName | None = None

    @property
    def top(self) -> Path:
        """Root of the git repository."""
        return self.folder / "checkout"


@dataclass
class WorkerFolder:
    """The folder of one worker process."""

    folder: Path
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _free: list[Slot] = field(default_factory=list)
    _made: int = 0

    @property
    def cache(self) -> Path:
        """DVC's cache of the worker."""
        return self.folder / "cache"

    def keep_source(self, name: SourceName, pack: bytes) -> None:
        """Keep the source files of a run; those of other runs are removed."""
        path = self._pack(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(pack)
        for older in sorted(path.parent.iterdir(), key=lambda p: p.stat().st_mtime)[:-2]:
            older.unlink(missing_ok=True)

    @contextmanager
    def slot(self, source: SourceName) -> Iterator[Slot]:
        """Yield a checkout that holds the source files, and nothing else.

        Raises
        ------
        NoSourceError
            If the worker does not have these files.
        """
        with self._mutex:
            # The one that has these files already, if it is free.
            self._free.sort(key=lambda slot: slot.source == source)
            if self._free:
                slot = self._free.pop()
            else:
                slot = Slot(self.folder / f"slot-{self._made}")
                slot.folder.mkdir(parents=True, exist_ok=True)
                self._made += 1
        try:
            if slot.source != source:
                self._check_out(slot, source)
            _clean(slot.top, source)
            yield slot
        finally:
            with self._mutex:
                self._free.append(slot)

    def _pack(self, name: SourceName) -> Path:
        return self.folder / "sources" / f"{name.commit[:12]}-{name.tree}.pack"

    def _check_out(self, slot: Slot, source: SourceName) -> None:
        try:
            pack = self._pack(source).read_bytes()
        except FileNotFoundError:
            raise NoSourceError from None
        slot.source = None
        shutil.rmtree(slot.folder)
        slot.top.mkdir(parents=True)
        run_git(slot.top, ["init", "--quiet"], {})
        run_git(slot.top, ["unpack-objects", "-q"], {}, pack)
        if source.commit:
            (slot.top / ".git" / "shallow").write_text(
                f"{source.commit}\n"
            )  # its parents stay where they are
            run_git(slot.top, ["update-ref", "--no-deref", "HEAD", source.commit], {})
        slot.source = source


def _clean(top: Path, source: SourceName) -> None:
    """Restore the source files, and remove all other files."""
    run_git(top, ["read-tree", "--reset", "-u", source.tree], {})
    run_git(top, ["checkout-index", "--force", "--all", "--quiet"], {})
    kept = [f"--exclude=/{Path(source.below, name).as_posix()}" for name in KEPT]
    run_git(top, ["clean", "-ffdxq", *kept], {})
