"""A copy of a checkout in which a stage can run without changing the original.

The copy holds the files that git tracks, the untracked files that git does not ignore, and the
dependencies and params files of the stage, but none of its outputs. It has its own git repository,
which shares the objects of the original, and DVC's settings without the cache. A stage can therefore
use git and DVC. Files are copied (cloned if the file system supports it), because a link would let
the stage write to the original.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from statewright.git import git
from statewright.workflow import Stage, WorkflowError, overlaps

_FICLONE = 0x40049409
"""The Linux request to share the blocks of a file with another until one of them is written."""

_CONTROL = frozenset({".git", ".statewright", "__pycache__"})


def copy_checkout(root: Path, folder: Path, needed: Iterable[str], dropped: Iterable[str]) -> Path:
    """Copy the checkout around `root` into `folder` and return the root of the copy.

    The copy has the same path below `folder` as the original below ``/``, so a path that leads out of
    the repository (``../data``) leads to a copy too.

    Parameters
    ----------
    needed : iterable of str
        Files and folders, relative to `root`, that the copy must hold even if git ignores them.
    dropped : iterable of str
        Paths, relative to `root`, that the copy must not hold: the outputs of the stage.

    Raises
    ------
    WorkflowError
        If a needed path does not exist.
    """
    top = _git_top(root) or root
    copied_top, copied = _mirror(top, folder), _mirror(root, folder)
    _copy_repository(top, copied_top)
    excluded = {root / path for path in dropped}
    for path in _listed_by_git(top) or _walk(root):
        if excluded.isdisjoint((path, *path.parents)):
            _copy_listed(path, top, folder)
    for name in needed:
        source = _absolute(root / name)
        if not source.exists():
            raise WorkflowError(
                f"{name} does not exist, but the stage needs it; run the stage that writes it or add it"
            )
        _copy_content(source, _mirror(source, folder), folder)
    for path in excluded:  # a stage may rely on the existing folder of its output
        if path.parent.is_dir():
            _mirror(path.parent, folder).mkdir(parents=True, exist_ok=True)
    _link_environments(root, copied)
    return copied


def copy_revision(root: Path, folder: Path, commit: str, dropped: Iterable[str]) -> Path:
    """Check out a commit in `folder`; return the root of the copy.

    The copy has its own git repository, see :func:`copy_checkout`.

    Parameters
    ----------
    dropped : iterable of str
        Paths, relative to `root`, that the copy must not hold: the outputs of the stage.

    Raises
    ------
    WorkflowError
        If git cannot check the commit out.
    """
    top = _git_top(root) or root
    copied_top, copied = _mirror(top, folder), _mirror(root, folder)
    _copy_repository(top, copied_top)
    git(copied_top, "checkout", "--quiet", "--force", "--detach", commit, timeout_s=600)
    if git(copied_top, "rev-parse", "HEAD").strip() != commit or not copied.is_dir():
        raise WorkflowError(f"git cannot check out {commit[:7]} in a scratch copy; `git fsck` shows why")
    for name in dropped:
        path = _mirror(root / name, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    _link_environments(root, copied)
    return copied


def _absolute(path: Path) -> Path:
    """Return a path without ``..``, with its links unresolved."""
    return Path(os.path.normpath(path))


def _mirror(path: Path, folder: Path) -> Path:
    return folder / _absolute(path).relative_to("/")


def _git_top(root: Path) -> Path | None:
    output = git(root, "rev-parse", "--show-toplevel")
    return Path(output.strip()) if output else None


def _copy_repository(top: Path, copied: Path) -> None:
    """Give the copy its own git index, and the history by reference."""
    copied.mkdir(parents=True, exist_ok=True)
    if (top / ".git").exists():
        git(top, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(copied))
        git(copied, "reset", "--quiet")
        git(copied, "remote", "remove", "origin")  # so that no stage can push to the original


def _listed_by_git(top: Path) -> list[Path]:
    """Return the tracked files, and the untracked files that are not ignored."""
    listed = git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [top / name for name in dict.fromkeys(listed.split("\0")) if name]


def _walk(root: Path) -> Iterator[Path]:
    """Yield the files of a checkout without git.

    Caches, control folders and virtual environments are left out.
    """
    for name, folders, files in os.walk(root):
        folder = Path(name)
        folders[:] = [
            child
            for child in folders
            if child not in _CONTROL
            and not (folder.name == ".dvc" and child in ("cache", "tmp"))
            and not (folder / child / "pyvenv.cfg").exists()
        ]
        yield from (folder / file for file in files)


def _stays_within(link: Path, top: Path) -> bool:
    """Return whether a link is relative and leads to a path inside the checkout."""
    target = link.readlink()
    return not target.is_absolute() and (link.parent / target).resolve().is_relative_to(top.resolve())


def _copy_listed(path: Path, top: Path, folder: Path) -> None:
    """Copy a path that git lists: a file, a link, or the folder of a submodule.

    A link that leads out of the checkout is left out.
    """
    target = _mirror(path, folder)
    if not path.is_symlink():
        _copy_content(path, target, folder)
    elif _stays_within(path, top):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.readlink())


def _copy_content(source: Path, target: Path, folder: Path) -> None:
    """Copy a file or a folder and the targets of its links; skip missing files."""
    target = target.resolve()
    if not target.is_relative_to(folder.resolve()):
        raise WorkflowError(
            f"{source} cannot be copied: a link on its path leads out of the scratch copy; "
            "replace the link by a file or a folder"
        )
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
    """Clone a file if the file system can, else copy it; keep permissions and time."""
    Path(target).unlink(missing_ok=True)
    with Path(source).open("rb") as reader, Path(target).open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            shutil.copyfileobj(reader, writer, 1 << 20)
    shutil.copystat(source, target)


def _link_environments(root: Path, copied: Path) -> None:
    """Link folders of installed software, which are too large to copy.

    No stage writes to them.
    """
    for folder in root.iterdir():
        if _is_environment(folder) and not (copied / folder.name).exists():
            (copied / folder.name).symlink_to(folder)


def _is_environment(folder: Path) -> bool:
    """Return whether a folder holds installed software (venv, conda, Node)."""
    marks = ("pyvenv.cfg", "conda-meta", "bin/python", "bin/activate")
    return folder.name == "node_modules" or any((folder / mark).exists() for mark in marks)


def environment_files(root: Path, stage: Stage, outputs: Collection[str]) -> list[str]:
    """Return the `.env` files that git ignores, for the folder of a stage.

    The environment variables of a project usually stand in `.env`, which many tools read without being
    told, and which is no dependency. Any other file that a stage reads must be declared.

    Parameters
    ----------
    outputs : collection of str
        Paths of the outputs of all stages, relative to `root`; none of them is returned.
    """
    paths = {
        path
        for folder in (".", stage.wdir)
        for source in (root / folder).glob(".env*")
        if source.is_file()
        and not (path := os.path.normpath(Path(folder, source.name))).startswith("..")
        and not any(overlaps(path, out) for out in outputs)
    }
    if not paths:
        return []
    listed = git(root, "-c", "core.quotePath=false", "check-ignore", "--no-index", "--", *sorted(paths))
    return [path for path in listed.splitlines() if path in paths]


def copy_ignored(root: Path, copied: Path, paths: Iterable[str]) -> None:
    """Copy files into a scratch copy that does not hold them."""
    for path in paths:
        if not (copied / path).exists():
            (copied / path).parent.mkdir(parents=True, exist_ok=True)
            _copy_file(root / path, copied / path)


def signatures(paths: Iterable[Path]) -> dict[str, tuple[int, int, int]]:
    """Return inode, size and time of every file at or below `paths`.

    Two results are equal if no process wrote to the files in between.
    """
    by_path = {}
    for path in paths:
        for file in _files_below(path, lambda _: True):
            status = file.stat()
            by_path[str(file)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return by_path


def _files_below(path: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and wanted(file))
    return [path] if path.is_file() else []


def content_hashes(path: Path, ignored: Callable[[Path], bool] = lambda _: False) -> dict[str, str] | None:
    """Return the MD5 of every file at or below `path`, by its relative path.

    A file has one entry, ``""``. The result is None if `path` does not exist.
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
    """Return DVC's hash of a file, or of a folder: the MD5 of the list of its files."""
    if contents is None:
        return None
    if set(contents) == {""}:
        return contents[""]
    entries = [{"md5": contents[name], "relpath": name} for name in sorted(contents)]
    return (
        hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
    )
