"""Run a stage twice in scratch copies of the checkout and compare its outputs.

The two runs are compared with each other and, if the inputs are still those in `dvc.lock`, with the
hashes in `dvc.lock`. The repository, its cache and its records stay unchanged.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from statewright.files import file_name
from statewright.masking import mask_text, secret_values
from statewright.planning.reasons import differences
from statewright.record.masking import mask_log
from statewright.repository import lock_writer
from statewright.repository.declaration import Repository, declare, open_repository, relative
from statewright.repository.observation import observe
from statewright.repository.scope import select
from statewright.request import Request, as_request
from statewright.running.process import StageFailedError, run_commands
from statewright.state import StageState
from statewright.verify.compare import Difference, compare_paths
from statewright.verify.scratch import (
    content_hashes,
    copy_checkout,
    copy_ignored,
    dvc_hash,
    environment_files,
    signatures,
)
from statewright.workflow import Stage, WorkflowError
from statewright.workspace import control_folder

RUNS = 2


@dataclass(frozen=True)
class OutputComparison:
    """One output of a stage, compared between runs and with `dvc.lock`.

    Parameters
    ----------
    hashes : tuple of str or None
        Hash after each run; None if the run did not write the output.
    recorded : str or None
        Hash in `dvc.lock`; None if there is none, or if it is of a run with other inputs.
    """

    path: str
    hashes: tuple[str | None, ...]
    recorded: str | None
    differences: tuple[Difference, ...] = ()

    @property
    def repeatable(self) -> bool:
        """True if all runs wrote the same bytes."""
        return len(set(self.hashes)) == 1 and None not in self.hashes

    @property
    def as_recorded(self) -> bool:
        """True if all runs wrote the same bytes, and `dvc.lock` records no other hash."""
        return self.repeatable and self.recorded in (None, self.hashes[0])


@dataclass(frozen=True)
class Verification:
    """The comparison of several runs of a stage.

    Parameters
    ----------
    seconds : tuple of float
        Duration of each run.
    stale : tuple of str
        Changes since `dvc.lock` recorded the stage; with any, its hashes are not compared.
    """

    stage: str
    seconds: tuple[float, ...]
    outputs: tuple[OutputComparison, ...]
    stale: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """True if every run wrote the same bytes, and those that `dvc.lock` records."""
        return all(output.as_recorded for output in self.outputs)

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return {
            "stage": self.stage,
            "identical": self.identical,
            "seconds": [round(value, 3) for value in self.seconds],
            "stale": list(self.stale),
            "outputs": [
                {
                    **asdict(output),
                    "repeatable": output.repeatable,
                    "as_recorded": output.as_recorded if output.recorded else None,
                    "differences": [difference.as_dict() for difference in output.differences],
                }
                for output in self.outputs
            ],
        }


def verify_stages(
    directory: Path,
    names: Request | Sequence[str],
    say: Callable[[str], None],
    done: Callable[[Verification], None],
) -> bool:
    """Verify the selected stages, or every stage with a command.

    Returns
    -------
    bool
        Whether the outputs of all stages are identical.

    Raises
    ------
    WorkflowError
        If a stage cannot run in a copy.
    StageFailedError
        If its command fails in the copy.
    """
    repository = open_repository(directory)
    workflow = declare(repository)
    request = as_request(names)
    scope = select(repository, request)
    wanted = list(scope.order if request.beyond_targets else scope.named)
    for address in list(wanted):
        if obstacle := find_obstacle(workflow.stages[address]):
            if not request.beyond_targets:
                raise WorkflowError(obstacle)
            say(f"skipped: {obstacle}")
            wanted.remove(address)
    observed = observe(repository, workflow).stages
    identical = True
    for address in wanted:
        result = verify(repository, workflow.stages[address], observed[address], say)
        identical &= result.identical
        done(result)
    return identical


def find_obstacle(stage: Stage) -> str | None:
    """Return the reason why a stage cannot run in a copy, or None if it can."""
    if not stage.cmd:
        return f"stage '{stage.address}' has no command to run: it tracks or imports data"
    if not stage.outs:
        return f"stage '{stage.address}' declares no outputs: there is nothing to compare"
    for out in stage.outs:
        if "://" in out.path or Path(out.path).is_absolute() or out.path.startswith("../"):
            return (
                f"stage '{stage.address}' writes {out.path}, outside of the repository, where a scratch copy "
                "cannot protect it; declare the output inside of the repository to verify the stage"
            )
    return None


def verify(
    repository: Repository, stage: Stage, observed: StageState, say: Callable[[str], None]
) -> Verification:
    """Run one stage in `RUNS` fresh copies and compare the outputs."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    logs = control_folder(repository.root / ".statewright") / "logs" / f"verify-{stamp}"
    secrets = secret_values(os.environ, {key: value for (_, key), value in observed.params_now.items()})
    originals = [repository.root / out.path for out in stage.outs]
    before = signatures(originals)
    with tempfile.TemporaryDirectory(prefix="statewright-verify-") as scratch:
        try:
            copies = [
                copy_stage(repository, stage, Path(scratch) / str(number + 1)) for number in range(RUNS)
            ]
            seconds = []
            for number, copied in enumerate(copies, 1):
                say(f"{stage.address}: run {number} of {RUNS} in a scratch copy")
                log = logs / file_name(stage.address, f".{number}.log")
                seconds.append(run_stage(repository, stage, copied, log, secrets))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise WorkflowError(
                f"stage '{stage.address}': no space for scratch copies in {tempfile.gettempdir()}; "
                "set TMPDIR=FOLDER to a folder with more space"
            ) from error
        if touched := sorted(set(before.items()) ^ set(signatures(originals).items())):
            raise WorkflowError(
                f"stage '{stage.address}': {touched[0][0]} changed while a scratch copy ran; the command or "
                "another process wrote to it; in the command, use paths relative to the stage"
            )
        stale = tuple(changes(stage, observed))
        compared = tuple(
            _compare(repository, out.path, copies, None if stale else observed.outs_was.get(out.path))
            for out in stage.outs
        )
    return Verification(stage.address, tuple(seconds), compared, stale)


def copy_stage(repository: Repository, stage: Stage, folder: Path) -> Path:
    """Copy the checkout with the inputs of a stage, without its outputs."""
    outs = repository.stages[stage.address].outs
    persistent = [relative(out, repository.root) for out in outs if out.persist and out.exists]
    inside = [
        path for path in (*stage.deps, *stage.params) if "://" not in path and not Path(path).is_absolute()
    ]
    dropped = [out.path for out in stage.outs]
    needed = dict.fromkeys([*inside, *persistent])
    copied = copy_checkout(repository.root, folder, needed, dropped)
    outputs = [relative(out, repository.root) for other in repository.stages.values() for out in other.outs]
    copy_ignored(repository.root, copied, environment_files(repository.root, stage, outputs))
    return copied


def run_stage(
    repository: Repository,
    stage: Stage,
    copied: Path,
    log: Path,
    secrets: Collection[str],
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Run the commands of a stage in a copy of the workspace; return the seconds."""
    commands = (
        (arguments, {**keywords, "cwd": os.path.relpath(keywords["cwd"], repository.root)})
        for arguments, keywords in lock_writer.command_lines(repository, stage.address)
    )
    return run_in_copy(stage, commands, copied, log, secrets, cancelled)


def run_in_copy(
    stage: Stage,
    commands: Iterable[tuple[list[str] | str, Mapping[str, Any]]],
    copied: Path,
    log: Path,
    secrets: Collection[str],
    cancelled: Callable[[], bool] = lambda: False,
) -> float:
    """Run the commands of a stage in a copy as the engine does; return the seconds.

    Parameters
    ----------
    commands : iterable
        Arguments and keywords of `Popen`; `cwd` is relative to the root of the copy.
    secrets : collection of str
        Values to mask in the log and in messages.
    """
    environment = {"DVC_ROOT": str(copied)}
    if os.environ.get("MLFLOW_TRACKING_URI"):  # the log of the stage itself belongs to no run
        environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{copied / 'mlflow-verify.db'}"
    started = time.monotonic()
    try:
        run_commands(
            stage.address,
            _moved(commands, copied),
            log,
            timeout_s=stage.number("timeout_s", 0) or None,
            environment=environment,
            cancelled=cancelled,
        )
    except StageFailedError as error:
        raise StageFailedError(
            f"{mask_text(str(error), secrets)}\n"
            "the scratch copy holds only files that git lists, files that the stage declares, and "
            ".env files; if the stage reads another file that it does not declare "
            "in deps, add it there"
        ) from error
    finally:
        mask_log(log, secrets)
    return time.monotonic() - started


def _moved(
    commands: Iterable[tuple[list[str] | str, Mapping[str, Any]]], copied: Path
) -> Iterable[tuple[list[str] | str, Mapping[str, Any]]]:
    for arguments, keywords in commands:
        folder = copied / keywords["cwd"]
        folder.mkdir(parents=True, exist_ok=True)
        yield arguments, {**keywords, "cwd": str(folder)}


def _compare(
    repository: Repository, path: str, copies: Sequence[Path], recorded: str | None
) -> OutputComparison:
    def ignored(file: Path, copied: Path) -> bool:
        original = repository.root / file.relative_to(copied)
        return bool(repository.repo.dvcignore.is_ignored_file(str(original)))

    contents = [content_hashes(copied / path, partial(ignored, copied=copied)) for copied in copies]
    hashes = tuple(dvc_hash(files) for files in contents)
    first, second = contents[0], contents[-1]
    unlike: Sequence[Difference] = ()
    if len(set(hashes)) > 1 or None in hashes:
        unlike = compare_paths(copies[0] / path, copies[-1] / path, (first, second))
    return OutputComparison(path, hashes, recorded, tuple(unlike))


def changes(stage: Stage, observed: StageState) -> Iterable[str]:
    """Yield the differences between a stage in `dvc.lock` and the stage as it is now."""
    if not observed.recorded:
        yield "dvc.lock does not record the stage"
        return
    if observed.cmd_was != stage.cmd:
        yield "the command changed"
    yield from (f"{p} changed" for p, was in observed.deps_was.items() if observed.deps_now.get(p) != was)
    for file, key in dict.fromkeys([*observed.params_was, *observed.params_now]):
        was, now = observed.params_was.get((file, key)), observed.params_now.get((file, key))
        yield from (f"{name} in {file} changed" for name, _, _ in differences(key, was, now))
