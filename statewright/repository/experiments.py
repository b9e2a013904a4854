"""A round as DVC and git know it: its record files, its outputs in the cache, its experiment.

An experiment is a git commit under ``refs/exps/BASELINE/NAME``: `dvc exp show`, `apply` and `push`
know it there. `dvc exp save` would commit every changed file as the output of its stage first, so
that a stage that has not run looks done; here the commit is made of the files as they lie, in an
index of its own, and neither HEAD, nor the index, nor a file is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.stage import PipelineStage

from statewright.repository.declaration import Repository, relative

AUTHOR = ("-c", "user.name=statewright", "-c", "user.email=statewright@localhost", "-c", "gc.auto=0")


def record_files(repository: Repository) -> list[Path]:
    """Where DVC records what was done: every lock file, there or not yet, and every `.dvc` file.

    And the files of values (`vars:`) that commands are made from.
    """
    found = set()
    for stage in repository.stages.values():
        if isinstance(stage, PipelineStage):
            found.add(Path(stage.dvcfile._lockfile.path))
            found |= {repository.root / path for path in stage.dvcfile.resolver.context.imports}
        else:
            found.add(Path(stage.path))
    return sorted(found)


def unsaved_outputs(repository: Repository) -> list[str]:
    """Outputs that differ from what is recorded and that no cache holds: to replace is to lose them."""
    with repository.locked():
        return [
            relative(out, repository.root)
            for stage in repository.stages.values()
            for out in stage.outs
            if out.protocol == "local" and out.exists and out.workspace_status() and not _held_as_it_lies(out)
        ]


def _held_as_it_lies(out: Any) -> bool:
    found = out.get_hash()
    return bool(found and found.value) and bool(out.cache.exists(found.value))


def check_out(repository: Repository) -> tuple[list[str], list[str]]:
    """Bring the recorded outputs back from the cache, those that git tracks too.

    Returns
    -------
    list of str, list of str
        Outputs that were brought back, and outputs that are neither there nor in the cache.
    """
    back, lost = [], []
    with repository.locked():
        for out in _recorded_outputs(repository):
            path = relative(out, repository.root)
            if not out.workspace_status():
                continue
            if out.changed_cache():
                lost.append(path)
                continue
            try:
                out.checkout(force=True)
            except DvcException:
                lost.append(path)
            else:
                back.append(path)
    return back, lost


def _recorded_outputs(repository: Repository) -> Iterator[Any]:
    """Outputs with a recorded hash; those declared ``cache: false`` as the run cache holds them."""
    from dvc.stage.serialize import to_single_stage_lockfile

    for stage in repository.stages.values():
        if not all(out.hash_info for out in stage.outs):
            continue
        yield from (out for out in stage.outs if out.use_cache and out.protocol == "local")
        if isinstance(stage, PipelineStage) and not all(out.use_cache for out in stage.outs):
            yield from repository.repo.stage_cache._uncached_outs(stage, to_single_stage_lockfile(stage))


def save_experiment(root: Path, name: str, message: str, files: Iterable[str]) -> str | None:
    """Save what git tracks, and `files`, as the DVC experiment `name` of the present commit.

    Returns
    -------
    str or None
        Why it could not be saved, if it could not.
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    try:
        head = _git(root, "rev-parse", "--verify", "HEAD^{commit}")
    except FileNotFoundError:
        return "git is not installed"
    except subprocess.CalledProcessError:
        return "there is no git commit here yet"
    try:
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "index"
            standing = Path(root, _git(root, "rev-parse", "--git-path", "index"))
            if standing.is_file():  # git then hashes only files that changed
                shutil.copyfile(standing, index)
            _git(root, "add", "--update", ":/", index=index)
            there = [name for name in files if (root / name).is_file()]
            _git(root, "add", "--force", "--", *there, index=index)
            tree = _git(root, "write-tree", index=index)
        commit = _git(root, *AUTHOR, "commit-tree", tree, "-p", head, "-m", message)
        _git(root, "update-ref", str(ExpRefInfo(head, name)), commit)
    except subprocess.CalledProcessError as error:
        return f"git {error.cmd[-1]}: {error.stderr.strip() or error.returncode}"
    return None


def _git(root: Path, *arguments: str, index: Path | None = None) -> str:
    environment = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
