"""The source files of a run, as one pack of git objects.

A worker needs the files that git tracks, the changes that are not committed, and the untracked files that
git does not ignore, but no history and no outputs::

    checkout --- git add, in an index of our own ---> tree --- git pack-objects ---> pack ---> workers
        '--- HEAD ------------------------------------------------^

The objects are written to a folder of our own, so the user's repository stays as it is. Outputs of stages
are left out: a worker gets those that a stage declares as dependencies, and no others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from statewright.remote.request import SourceName
from statewright.workflow import WorkflowError

LARGEST_PACK = 256 * 2**20
"""Largest pack in bytes that travels to a worker."""
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Source:
    """The source files of a run.

    Parameters
    ----------
    pack : bytes
        Git objects of the tree and of the commit.
    paths : frozenset of str
        The files, relative to the DVC repository; those above it are left out.
    """

    name: SourceName
    pack: bytes
    paths: frozenset[str]


def take_source(root: Path, outputs: Collection[str]) -> Source:
    """Return the source files of the checkout around `root`, as they are on disk.

    Parameters
    ----------
    outputs : collection of str
        Outputs of stages, relative to `root`, which are left out.

    Raises
    ------
    WorkflowError
        If there is no git repository, or its files are too large for a worker.
    """
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel").decode().strip())
    except WorkflowError as error:
        raise WorkflowError(
            f"--on: {root} is in no git repository, and a worker gets the source files from git; "
            "`git init` creates one"
        ) from error
    below = root.resolve().relative_to(top.resolve()).as_posix()
    with tempfile.TemporaryDirectory(prefix="statewright-source-") as scratch:
        settings = _private_index(top, Path(scratch))
        _git(top, "add", "--all", settings=settings)
        dropped = [os.path.normpath(Path(below, path)) for path in outputs if not Path(path).is_absolute()]
        if dropped := [path for path in dropped if not path.startswith("..")]:
            listed = b"\0".join(map(os.fsencode, dropped))
            options = ["--cached", "-r", "--quiet", "--ignore-unmatch", "--force"]
            _git(top, "rm", *options, "--pathspec-from-file=-", "--pathspec-file-nul",
                 settings=settings, sent=listed)  # fmt: skip
        tree = _git(top, "write-tree", settings=settings).decode().strip()
        commit = _git(top, "rev-parse", "--verify", "--quiet", "HEAD", optional=True).decode().strip()
        wanted = [tree, *([commit] if commit else [])]
        objects = _git(top, "rev-list", "--objects", "--no-walk", *wanted, settings=settings)
        pack = _git(top, "pack-objects", "--stdout", "--quiet", settings=settings, sent=objects)
        listed = _git(top, "ls-files", "-z", settings=settings)
    if len(pack) > LARGEST_PACK:
        raise WorkflowError(
            f"--on: the source files take {len(pack) / 2**20:.0f} MiB, more than the "
            f"{LARGEST_PACK / 2**20:.0f} MiB that travel to a worker; keep large files in DVC "
            "(`dvc add FILE`) or name them in .gitignore"
        )
    paths = frozenset(
        PurePosixPath(name).relative_to(below).as_posix()
        for name in os.fsdecode(listed).split("\0")
        if name and PurePosixPath(name).is_relative_to(below)
    )
    return Source(SourceName(commit, tree, below), pack, paths)


def _private_index(top: Path, scratch: Path) -> Mapping[str, str]:
    """Return the variables that make git write its index and objects to a folder of ours."""
    index, objects = (
        Path(_git(top, "rev-parse", "--path-format=absolute", "--git-path", name).decode().strip())
        for name in ("index", "objects")
    )
    if index.is_file():
        shutil.copyfile(index, scratch / "index")  # with the times of files: git reads only changed ones
    (scratch / "objects").mkdir()
    return {
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
        "GIT_LITERAL_PATHSPECS": "1",
    }


def _git(
    folder: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    sent: bytes = b"",
    optional: bool = False,
) -> bytes:
    """Return the output of a command of git, whose failure is an error unless `optional`."""
    return run_git(folder, arguments, settings or {}, sent, optional=optional)


def run_git(
    folder: Path,
    arguments: Sequence[str],
    settings: Mapping[str, str],
    sent: bytes = b"",
    *,
    optional: bool = False,
) -> bytes:
    """Return the output of ``git ARGUMENTS`` in `folder`.

    Parameters
    ----------
    settings : mapping of str to str
        Variables beside those of this process.
    sent : bytes
        Standard input.

    Raises
    ------
    WorkflowError
        If git fails and is not `optional`; the message is its own.
    """
    own = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**own, **settings},
            input=sent,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkflowError(f"git {arguments[0]}: {error}") from error
    if done.returncode and not optional:
        raise WorkflowError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return b"" if done.returncode else done.stdout
