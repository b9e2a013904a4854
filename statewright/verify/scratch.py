"""A copy of a checkout in which a stage can run without touching the original.

The copy holds the files that git knows or would know (tracked, or untracked and not ignored), the
stage's dependencies and params files, and no outputs. It has a git repository of its own that
borrows the original's objects, and DVC's settings without its cache, so that a stage that asks git or
DVC for something gets an answer. Everything is copied (cloned where the file system can): a link
would let the stage write into the original.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from statewright.git import git
from statewright.workflow import WorkflowError

_FICLONE = 0x40049409
"""The Linux request that makes one file share the blocks of another until either is written to."""

_CONTROL = frozenset({".git", ".statewright", "__pycache__"})


def copy_checkout(root: Path, folder: Path, needed: Iterable[str], dropped: Iterable[str]) -> Path:
    """Copy the checkout around `root` into `folder` and return the root of the copy.

    The copy lies at the same path below `folder` as the original below ``/``, so that a path that
    leads out of the repository (``../data``) leads to a copy too.

    Parameters
    ----------
    needed : iterable of str
        Files and folders, relative to `root`, that the copy must hold whether git knows them or not.
    dropped : iterable of str
        Paths, relative to `root`, that it must not hold: what the stage is to write.

    Raises
    ------
    WorkflowError
        If something needed does not exist.
    """
    top = _git_top(root) or root
    copied_top, copied = _mirror(top, folder), _mirror(root, folder)
    _copy_repository(top, copied_top)
    away = {root / path for path in dropped}
    for path in _known_to_git(top) or _walk(root):
        if away.isdisjoint((path, *path.parents)):
            _copy_known(path, top, folder)
    for name in needed:
        source = _absolute(root / name)
        if not source.exists():
            raise WorkflowError(
                f"{name} does not exist, and the stage needs it; `statewright plan` says what makes it"
            )
        _copy_content(source, _mirror(source, folder), folder)
    for path in away:  # a stage may count on the folder of its output, where there is one
        if path.parent.is_dir():
            _mirror(path.parent, folder).mkdir(parents=True, exist_ok=True)
    _link_environments(root, copied)
    return copied


def _absolute(path: Path) -> Path:
    """Without ``..``, and with links left as they are."""
    return Path(os.path.normpath(path))


def _mirror(path: Path, folder: Path) -> Path:
    return folder / _absolute(path).relative_to("/")


def _git_top(root: Path) -> Path | None:
    found = git(root, "rev-parse", "--show-toplevel")
    return Path(found.strip()) if found else None


def _copy_repository(top: Path, copied: Path) -> None:
    """Give the copy git's history, by reference, and an index of its own."""
    copied.mkdir(parents=True, exist_ok=True)
    if (top / ".git").exists():
        git(top, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(copied))
        git(copied, "reset", "--quiet")
        git(copied, "remote", "remove", "origin")  # nothing is to be pushed from here


def _known_to_git(top: Path) -> list[Path]:
    """Files that are tracked, or neither tracked nor ignored."""
    listed = git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [top / name for name in dict.fromkeys(listed.split("\0")) if name]


def _walk(root: Path) -> Iterator[Path]:
    """All files of a checkout without git, but for caches, control folders and environments."""
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if name not in _CONTROL
            and not (here.name == ".dvc" and name in ("cache", "tmp"))
            and not (here / name / "pyvenv.cfg").exists()
        ]
        yield from (here / name for name in files)


def _stays_within(link: Path, top: Path) -> bool:
    """Whether a link is relative and leads to a place inside the checkout."""
    target = link.readlink()
    return not target.is_absolute() and (link.parent / target).resolve().is_relative_to(top.resolve())


def _copy_known(path: Path, top: Path, folder: Path) -> None:
    """Copy what git lists: a file, a link that stays in the checkout, the folder of a submodule."""
    target = _mirror(path, folder)
    if not path.is_symlink():
        _copy_content(path, target, folder)
    elif _stays_within(path, top):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.readlink())


def _copy_content(source: Path, target: Path, folder: Path) -> None:
    """Copy a file or a folder and what links in it lead to; what is gone by now is left out."""
    target = target.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise WorkflowError(f"{source} cannot be copied: a link leads from there out of the scratch copy")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(
            source,
            target,
            copy_function=_copy_file,
            ignore=lambda _, names: _CONTROL.intersection(names),
            ignore_dangling_symlinks=True,
            dirs_exist_ok=True,
        )
    elif source.is_file():
        _copy_file(source, target)


def _copy_file(source: str | Path, target: str | Path) -> None:
    """Clone a file where the file system can, else copy it; with its permissions and its time."""
    Path(target).unlink(missing_ok=True)
    with Path(source).open("rb") as reader, Path(target).open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 20)
    shutil.copystat(source, target)


def _link_environments(root: Path, copied: Path) -> None:
    """Virtual environments inside the checkout are too large to copy and not written to by a stage."""
    for folder in root.iterdir():
        if (folder / "pyvenv.cfg").is_file() and not (copied / folder.name).exists():
            (copied / folder.name).symlink_to(folder)


def signatures(paths: Iterable[Path]) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of every file at or below `paths`: equal if nobody wrote there."""
    found = {}
    for path in paths:
        for file in _files_below(path, lambda _: True):
            status = file.stat()
            found[str(file)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _files_below(path: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and wanted(file))
    return [path] if path.is_file() else []


def content_hashes(path: Path, ignored: Callable[[Path], bool] = lambda _: False) -> dict[str, str] | None:
    """MD5 of every file at or below `path` by its place in it; a file is its own only entry, ``""``.

    None if nothing lies there.
    """
    from statewright.files import md5

    if not path.exists():
        return None
    if path.is_file():
        return {"": md5(path)}
    return {
        file.relative_to(path).as_posix(): md5(file) for file in _files_below(path, lambda f: not ignored(f))
    }


def dvc_hash(contents: Mapping[str, str] | None) -> str | None:
    """The hash under which DVC knows a file, or a folder: the MD5 of the list of its files."""
    if contents is None:
        return None
    if set(contents) == {""}:
        return contents[""]
    entries = [{"md5": contents[name], "relpath": name} for name in sorted(contents)]
    return (
        hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )
