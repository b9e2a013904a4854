"""Compare outputs with recorded ones: same bytes, same numbers, or different.

A stage runs once in a scratch copy of the revision, with the inputs that the revision's `dvc.lock`
records, and its outputs are compared with the recorded ones. Each stage starts from recorded inputs, so a
difference is its own. Without a run, the files of the workspace are compared: those of a pipeline that
was just run on another machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from statewright.files import file_name
from statewright.masking import secret_values
from statewright.meta import Tolerance
from statewright.planning.missing import assume_present
from statewright.repository.contents import copy_from_cache, copy_from_commit
from statewright.repository.declaration import Repository, open_repository
from statewright.repository.revisions import Revision, read_revision
from statewright.repository.scope import select
from statewright.request import Request, as_request
from statewright.verify.compare import Difference, compare_paths
from statewright.verify.reproduction import changes, find_obstacle, run_in_copy
from statewright.verify.scratch import (
    content_hashes,
    copy_ignored,
    copy_revision,
    dvc_hash,
    environment_files,
)
from statewright.workflow import Stage, WorkflowError
from statewright.workspace import control_folder

BYTES, NUMBERS, DIFFERENT, MISSING, UNKNOWN = (
    "same bytes",
    "same numbers",
    "different",
    "not written",
    "cannot compare",
)


@dataclass(frozen=True)
class OutputAgreement:
    """One output, compared with the recorded one.

    Parameters
    ----------
    verdict : str
        ``same bytes``; ``same numbers``: all values agree within the tolerance; ``different``;
        ``not written``; or ``cannot compare``: the bytes differ, and the recorded file is neither in the
        cache nor in git.
    """

    path: str
    recorded: str | None
    hash: str | None
    verdict: str
    differences: tuple[Difference, ...] = ()

    @property
    def agrees(self) -> bool:
        """True if the output has the recorded bytes or numbers."""
        return self.verdict in (BYTES, NUMBERS)


@dataclass(frozen=True)
class Agreement:
    """The outputs of a stage, compared with those that a revision records.

    Parameters
    ----------
    seconds : float or None
        Duration of the run; None if files of the workspace were compared.
    stale : tuple of str
        Disagreements between the revision's `dvc.lock` and its own files: other outputs are expected.
    """

    stage: str
    revision: str
    tolerance: Tolerance
    outputs: tuple[OutputAgreement, ...]
    seconds: float | None = None
    stale: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """True if every output agrees."""
        return all(output.agrees for output in self.outputs)

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {
            "stage": self.stage,
            "against": self.revision,
            "agrees": self.agrees,
            "tolerance": asdict(self.tolerance),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "stale": list(self.stale),
            "outputs": [
                {**asdict(output), "differences": [item.as_dict() for item in output.differences]}
                for output in self.outputs
            ],
        }


@dataclass(frozen=True)
class Comparison:
    """Comparison of a repository with one of its revisions.

    Parameters
    ----------
    say : callable
        Called with a line of progress.
    """

    repository: Repository
    revision: Revision
    run: bool
    say: Callable[[str], None]


def verify_against(
    directory: Path,
    name: str,
    wanted: Request | Sequence[str],
    done: Callable[[Agreement], None],
    say: Callable[[str], None] = lambda line: None,
    *,
    run: bool = True,
) -> bool:
    """Compare outputs with those of a revision; return whether all agree.

    Parameters
    ----------
    wanted : Request or sequence of str
        Stages to take, see `as_request`.
    done : callable
        Called with each result.
    run : bool
        Whether to run the stages in scratch copies, or to compare the files of the workspace.

    Raises
    ------
    WorkflowError
        If a named stage is not recorded by the revision, or if one of its inputs cannot be found.
    StageFailedError
        If a command fails in the copy.
    """
    request = as_request(wanted)
    repository = open_repository(directory)
    revision = read_revision(repository, name)
    if revision.commit is None:
        raise WorkflowError(f"--against {name}: expected a commit, branch or tag")
    # Data in no commit count as those that dvc.lock records.
    revision = replace(revision, state=assume_present(revision.workflow, revision.state))
    comparison = Comparison(repository, revision, run, say)
    scope = select(repository, request)
    addresses = scope.order if request.beyond_targets else scope.named
    agree = True
    for address in addresses:
        if obstacle := _obstacle(revision, address):
            if not request.beyond_targets:
                raise WorkflowError(obstacle)
            if not address.endswith(".dvc"):
                say(f"skipped: {obstacle}")
            continue
        result = _compare_stage(comparison, revision.workflow.stages[address])
        agree &= result.agrees
        done(result)
    return agree


def _obstacle(revision: Revision, address: str) -> str | None:
    if address not in revision.workflow.stages:
        return f"{revision.name} declares no stage '{address}'"
    if not revision.state.stages[address].recorded:
        return f"dvc.lock of {revision.name} does not record stage '{address}'"
    return find_obstacle(revision.workflow.stages[address])


def _compare_stage(comparison: Comparison, stage: Stage) -> Agreement:
    repository, revision = comparison.repository, comparison.revision
    tolerance = stage.settings.tolerance or Tolerance()
    observed = revision.state.stages[stage.address]
    recorded = observed.outs_was
    with tempfile.TemporaryDirectory(prefix="statewright-verify-") as scratch:
        root, seconds = repository.root, None
        stale: tuple[str, ...] = ()
        if comparison.run:
            stale = tuple(changes(stage, observed))
            root = _copy(comparison, stage, Path(scratch) / "run")
            comparison.say(f"{stage.address}: runs in a scratch copy of {revision.name}")
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
            logs = control_folder(repository.root / ".statewright") / "logs" / f"verify-{stamp}"
            commands = revision.commands[stage.address]
            secrets = secret_values(
                os.environ, {key: value for (_, key), value in observed.params_now.items()}
            )
            log = logs / file_name(stage.address, ".log")
            seconds = run_in_copy(stage, commands, root, log, secrets)
        outputs = tuple(
            _compare_output(comparison, out.path, root, recorded.get(out.path), tolerance)
            for out in stage.outs
        )
    return Agreement(stage.address, revision.name, tolerance, outputs, seconds, stale)


def _copy(comparison: Comparison, stage: Stage, folder: Path) -> Path:
    """Copy the revision, with the recorded inputs of a stage and without its outputs."""
    repository, revision = comparison.repository, comparison.revision
    assert revision.commit is not None
    dropped = [out.path for out in stage.outs]
    copied = copy_revision(repository.root, folder, revision.commit, dropped)
    outputs = [out.path for other in revision.workflow.stages.values() for out in other.outs]
    copy_ignored(repository.root, copied, environment_files(repository.root, stage, outputs))
    inputs = dict(revision.state.stages[stage.address].deps_was)
    for observed in revision.state.stages.values():  # params can be in a file that a stage writes
        inputs.update({path: value for path, value in observed.outs_was.items() if path in stage.params})
    for path, value in inputs.items():
        target = copied / path
        if target.exists() or "://" in path or Path(path).is_absolute():
            continue  # in git, or outside of the repository
        with _recorded(comparison, path, value, target) as there:
            if not there:
                raise WorkflowError(
                    f"stage '{stage.address}': {path} as {revision.name} records it is neither in the cache "
                    "nor in git; `dvc fetch` gets it if a remote has it"
                )
    return copied


@contextmanager
def _recorded(comparison: Comparison, path: str, value: str | None, target: Path) -> Iterator[Path | None]:
    """Put the recorded version of a file at `target`; None if there is no copy of it."""
    repository, commit = comparison.repository, comparison.revision.commit
    assert commit is not None
    if value is None:
        yield None
    elif copy_from_cache(repository, value, target):
        yield target
    elif dvc_hash(content_hashes(repository.root / path)) == value:
        yield _copied(repository.root / path, target)
    else:
        there = copy_from_commit(repository, commit, path, target)
        yield target if there and dvc_hash(content_hashes(target)) == value else None


def _copied(source: Path, target: Path) -> Path:
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return target


def _compare_output(
    comparison: Comparison, path: str, root: Path, recorded: str | None, tolerance: Tolerance
) -> OutputAgreement:
    repository = comparison.repository

    def ignored(file: Path) -> bool:
        return bool(repository.repo.dvcignore.is_ignored_file(str(repository.root / file.relative_to(root))))

    contents = content_hashes(root / path, ignored)
    value = dvc_hash(contents)
    result = partial(OutputAgreement, path, recorded, value)
    if value is None:
        return result(MISSING)
    if value == recorded:
        return result(BYTES)
    with tempfile.TemporaryDirectory(prefix="statewright-recorded-") as folder:
        # The suffix tells how to read the file.
        target = Path(folder) / Path(path).name
        with _recorded(comparison, path, recorded, target) as there:
            if there is None:
                return result(UNKNOWN)
            unlike = compare_paths(there, root / path, (content_hashes(there), contents), tolerance)
    verdict = NUMBERS if all(item.tolerable for item in unlike) else DIFFERENT
    return result(verdict, tuple(unlike))
