"""A round in DVC and git: record files, cached outputs and the experiment.

An experiment is a git commit under ``refs/exps/BASELINE/NAME``, where `dvc exp show`, `apply` and
`push` look for it. `dvc exp save` first commits every changed file as the output of its stage, so a
stage that has not run looks up to date. Here the commit holds the files as they are on disk. It is
built in a separate index: HEAD, the user's index and all files stay unchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.stage import PipelineStage

from statewright.repository.declaration import Repository, relative

AUTHOR = ("-c", "user.name=statewright", "-c", "user.email=statewright@localhost", "-c", "gc.auto=0")


def record_files(repository: Repository) -> list[Path]:
    """Return the paths of the files in which DVC records a state.

    These are every lock file (existing or not), every `.dvc` file, and the files of values
    (`vars:`) from which DVC builds commands.
    """
    paths = set()
    for stage in repository.stages.values():
        if isinstance(stage, PipelineStage):
            paths.add(Path(stage.dvcfile._lockfile.path))
            paths |= {repository.root / path for path in stage.dvcfile.resolver.context.imports}
        else:
            paths.add(Path(stage.path))
    return sorted(paths)


def unsaved_outputs(repository: Repository) -> list[str]:
    """Return the outputs that differ from their record and are in no cache.

    Such an output is lost when it is replaced.
    """
    with repository.locked():
        return [
            relative(out, repository.root)
            for stage in repository.stages.values()
            for out in stage.outs
            if out.protocol == "local" and out.exists and out.workspace_status() and not _is_cached(out)
        ]


def _is_cached(out: Any) -> bool:
    current = out.get_hash()
    return bool(current and current.value) and bool(out.cache.exists(current.value))


def check_out(repository: Repository, wanted: Collection[str] | None = None) -> tuple[list[str], list[str]]:
    """Restore the recorded outputs from the cache, including those that git tracks.

    Parameters
    ----------
    wanted : collection of str, optional
        Paths of the outputs to restore (default: all).

    Returns
    -------
    list of str, list of str
        Outputs that were restored, and outputs that are neither on disk nor in the cache.
    """
    restored, missing = [], []
    with repository.locked():
        for out in _recorded_outputs(repository):
            path = relative(out, repository.root)
            if (wanted is not None and path not in wanted) or not out.workspace_status():
                continue
            if out.changed_cache():
                missing.append(path)
                continue
            try:
                out.checkout(force=True)
            except DvcException:
                missing.append(path)
            else:
                restored.append(path)
    return restored, missing


def _recorded_outputs(repository: Repository) -> Iterator[Any]:
    """Yield the outputs that have a recorded hash.

    An output declared ``cache: false`` comes from the run cache.
    """
    from dvc.stage.serialize import to_single_stage_lockfile

    for stage in repository.stages.values():
        if not all(out.hash_info for out in stage.outs):
            continue
        yield from (out for out in stage.outs if out.use_cache and out.protocol == "local")
        if isinstance(stage, PipelineStage) and not all(out.use_cache for out in stage.outs):
            yield from repository.repo.stage_cache._uncached_outs(stage, to_single_stage_lockfile(stage))


def save_experiment(root: Path, name: str, message: str, files: Iterable[str]) -> str | None:
    """Save the tracked files and `files` as a DVC experiment of the current commit.

    Returns
    -------
    str or None
        The reason why it was not saved, or None if it was.
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    try:
        head = _git(root, "rev-parse", "--verify", "HEAD^{commit}")
    except FileNotFoundError:
        return "git is not installed"
    except subprocess.CalledProcessError:
        return "this repository has no git commit yet"
    try:
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "index"
            user_index = Path(root, _git(root, "rev-parse", "--git-path", "index"))
            if user_index.is_file():  # git then hashes only files that changed
                shutil.copyfile(user_index, index)
            _git(root, "add", "--update", ":/", index=index)
            existing = [name for name in files if (root / name).is_file()]
            _git(root, "add", "--force", "--", *existing, index=index)
            tree = _git(root, "write-tree", index=index)
        commit = _git(root, *AUTHOR, "commit-tree", tree, "-p", head, "-m", message)
        _git(root, "update-ref", str(ExpRefInfo(head, name)), commit)
    except subprocess.CalledProcessError as error:
        return f"git {error.cmd[-1]}: {error.stderr.strip() or error.returncode}"
    return None


def _git(root: Path, *arguments: str, index: Path | None = None) -> str:
    environment = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    completed = subprocess.run(
        ["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return completed.stdout.strip()


def save_experiment_of_copy(
    root: Path, copied: Path, name: str, message: str, files: Iterable[str]
) -> str | None:
    """Save the state of a scratch copy as an experiment of its original.

    The commit is built in the copy, and only its objects and its reference come here: files, index and
    branches of the user stay unchanged. The outputs are restored from the cache that both share.

    Parameters
    ----------
    root, copied : Path
        The DVC repository, and its copy with the same commit (see `verify.scratch`).
    files : iterable of str
        Paths of files to save beside the tracked ones, relative to both.

    Returns
    -------
    str or None
        The reason why it was not saved, or None if it was.
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    unsaved = save_experiment(copied, name, message, files)
    if unsaved:
        return unsaved
    try:
        reference = str(ExpRefInfo(_git(copied, "rev-parse", "HEAD"), name))
        source = _git(copied, "rev-parse", "--show-toplevel")
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        _git(root, "-c", "gc.auto=0", "fetch", *options, source, f"+{reference}:{reference}")
    except subprocess.CalledProcessError as error:
        return f"git {error.cmd[-1]}: {error.stderr.strip() or error.returncode}"
    return None
