"""Run one stage: load its inputs, check, call, check, write, record.

``python -m tasks STAGE`` is the command of every stage in ``dvc.yaml``; DVC and Prefect start
it alike. A stage's function receives what its annotations ask for and touches no file itself.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from statewright import files
from statewright.contracts import ContractError, check
from statewright.workflow import (
    PREVIOUS,
    Stage,
    Workflow,
    WorkflowError,
    known_by_params,
    repeated_stems,
)


def main(arguments: list[str] | None = None) -> None:
    """Run the stage named on the command line; exit with 1 and one clear error if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__.split("\n\n")[0])
    parser.add_argument("stage", help="a stage of dvc.yaml, such as emotion-features")
    name = parser.parse_args(arguments).stage
    started = time.time()
    try:
        stage, workflow = _declared(name)
        limit_threads(int(stage.number("cpu", 1)))
        run_stage(stage, workflow.params)
    except (ContractError, files.FileError, WorkflowError) as error:
        sys.exit(f"stage '{name}': {error}")
    if not os.environ.get("STATEWRIGHT_RECORDED"):
        _record(stage, workflow, started)


def limit_threads(number: int) -> None:
    """Let the numeric libraries use `number` threads, whether they are loaded yet or not.

    The number decides the order in which they add, and thereby the last digits of a result.
    """
    wanted = int(os.environ.setdefault("OMP_NUM_THREADS", str(number)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(wanted)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(wanted)


def _declared(name: str) -> tuple[Stage, Workflow]:
    from statewright.repository.reading import declare, open_repository

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    if name not in workflow.stages:
        raise WorkflowError(
            f"dvc.yaml declares no such stage; `statewright plan` lists {len(workflow.stages)}"
        )
    return workflow.stages[name], workflow


def run_stage(stage: Stage, params: Mapping[str, Mapping[str, Any]]) -> None:
    """Load, check, call, check, write."""
    function = find_function(stage.address)
    hints = typing.get_type_hints(function, include_extras=True)
    outcome = function(**load_inputs(stage, function, hints, params), **load_params(stage, hints, params))
    write_outputs(stage, outcome, hints["return"])


def find_function(address: str) -> Callable[..., Any]:
    """``P-F`` is ``F`` in ``tasks/P/F.py`` or in ``tasks/P.py``.

    Raises
    ------
    WorkflowError
        Naming both places, if it is in neither.
    """
    pipeline, _, name = address.partition("-")
    name = name.replace("-", "_")
    for module_name in (f"tasks.{pipeline}.{name}", f"tasks.{pipeline}"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and not module_name.startswith(error.name):
                raise
            continue
        function = getattr(module, name, None)
        if callable(function):
            return typing.cast("Callable[..., Any]", function)
    raise WorkflowError(f"no function '{name}' in tasks/{pipeline}/{name}.py or tasks/{pipeline}.py")


def load_inputs(
    stage: Stage,
    function: Callable[..., Any],
    hints: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Each positional argument from the dependency of that stem, checked against its contract.

    A dependency whose path is the value of a param, as a folder that is watched, needs no argument.
    """
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    if repeated := repeated_stems(stage.deps):
        raise WorkflowError(
            f"several dependencies in dvc.yaml have the stem {', '.join(repeated)}; rename one"
        )
    by_stem = {Path(path).stem: path for path in stage.deps}
    kept = {PREVIOUS + Path(out.path).stem: out.path for out in stage.outs if out.persist}
    kept = {name: path for name, path in kept.items() if name in names and name not in by_stem}
    missing = [name for name in names if name not in by_stem and name not in kept]
    if missing:
        raise WorkflowError(
            f"{code.co_filename}:{code.co_firstlineno}: no dependency in dvc.yaml has the stem of "
            f"argument {', '.join(missing)}; declared are {', '.join(stage.deps)}"
        )
    known = known_by_params(stage, params)
    if names and (unused := [p for stem, p in by_stem.items() if stem not in names and p not in known]):
        raise WorkflowError(
            f"{code.co_filename}:{code.co_firstlineno}: no argument takes {', '.join(unused)}; "
            "add an argument of that stem, or drop the dependency from dvc.yaml"
        )
    return {
        name: load_previous(Path(kept[name]), hints[name])
        if name in kept
        else check(files.load(Path(by_stem[name])), hints[name], f"input {by_stem[name]}")
        for name in names
    }


def load_previous(path: Path, annotation: Any) -> Any:
    """What the stage's last run left at `path`, for ``Contract | None``; None, said, if it is of no use."""
    if not path.exists():
        return None
    contract = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    try:
        return check(files.load(path), contract, f"the last {path}")
    except (ContractError, files.FileError) as error:
        print(f"made anew, as if there had been none: {error}", file=sys.stderr)
        return None


def load_params(
    stage: Stage, hints: Mapping[str, Any], params: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The declared blocks of ``params.yaml``: the stage's own as `params`, others by their last part."""
    own = stage.address.replace("-", ".", 1).replace("-", "_")
    found = {}
    for key in stage.params.get("params.yaml", ()):
        name = "params" if key == own else key.rpartition(".")[2]
        if name not in hints:
            raise WorkflowError(f"params '{key}' is declared in dvc.yaml, but no argument '{name}' takes it")
        value = params["params.yaml"].get(key)
        found[name] = check(value, hints[name], f"params.yaml: {key}")
    return found


def write_outputs(stage: Stage, outcome: Any, annotation: Any) -> None:
    """Check every returned value and write it to the output of that stem.

    Nothing is written unless everything is as it should be.
    """
    paths = {Path(out.path).stem: Path(out.path) for out in stage.outs}
    if hasattr(annotation, "_fields"):
        contracts = typing.get_type_hints(annotation, include_extras=True)
        values = {name: getattr(outcome, name) for name in annotation._fields}
    else:
        contracts = dict.fromkeys(paths, annotation)
        values = dict.fromkeys(paths, outcome)
    if set(values) != set(paths) or (len(paths) > 1 and not hasattr(annotation, "_fields")):
        raise WorkflowError(
            f"returns {', '.join(sorted(values))}, but dvc.yaml declares {', '.join(sorted(paths))}; "
            "the two must name the same outputs"
        )
    checked = {name: check(value, contracts[name], f"output {paths[name]}") for name, value in values.items()}
    files.save_all({paths[name]: value for name, value in checked.items()})


def _record(stage: Stage, workflow: Workflow, started: float) -> None:
    """Record a run under plain `dvc repro` or by hand; a store out of reach is said, not fatal."""
    try:
        from statewright.record import tracking

        params = {
            key: workflow.params[file].get(key)
            for file, keys in stage.params.items()
            for key in keys or workflow.params[file]
        }
        done = tracking.StageRecord(
            stage,
            "ran",
            started,
            time.time(),
            params=params,
            inputs={path: files.md5(Path(path)) for path in stage.deps if Path(path).is_file()},
            outputs={out.path: files.md5(Path(out.path)) for out in stage.outs},
        )
        tracking.record_stage(tracking.open_record(Path.cwd()), done)
    except Exception as error:
        print(f"not recorded in MLflow: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
