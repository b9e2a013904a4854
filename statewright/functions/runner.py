"""Run one stage that is a function: load its inputs, check, call, check, write, record.

``python -m PACKAGE STAGE`` is the command of such a stage in ``dvc.yaml``, whoever starts it (DVC,
Prefect, a person). ``PACKAGE/__main__.py`` has two lines::

    from statewright.functions.runner import main

    main(__package__)

The function receives what its annotations ask for and opens no file itself.
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
from statewright.functions.signature import (
    PREVIOUS,
    input_stems,
    is_named_tuple,
    known_by_params,
    repeated_stems,
)
from statewright.workflow import Stage, Workflow, WorkflowError


def main(package: str | None, arguments: list[str] | None = None) -> None:
    """Run the stage named on the command line; exit with 1 and one clear error if it cannot.

    Parameters
    ----------
    package : str
        The package that holds the functions, as ``__package__`` says in its ``__main__.py``.
    arguments : list of str, optional
        The command line (default: that of the process).
    """
    package = package or "tasks"
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}", description="Run one stage of dvc.yaml that is a function."
    )
    parser.add_argument("stage", help="a stage of dvc.yaml, such as emotion-features")
    name = parser.parse_args(arguments).stage
    started = time.time()
    try:
        stage, workflow = _declared(name)
        limit_threads(int(stage.number("cpu", 1)))
        run_stage(stage, workflow.params, package)
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
    from statewright.repository.declaration import declare, open_repository

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    if name not in workflow.stages:
        raise WorkflowError(
            f"dvc.yaml declares no such stage; `statewright plan` lists {len(workflow.stages)}"
        )
    return workflow.stages[name], workflow


def run_stage(stage: Stage, params: Mapping[str, Mapping[str, Any]], package: str = "tasks") -> None:
    """Load, check, call, check, write."""
    function = find_function(stage.address, package)
    hints = typing.get_type_hints(function, include_extras=True)
    outcome = function(**load_inputs(stage, function, hints, params), **load_params(stage, hints, params))
    write_outputs(stage, outcome, hints["return"])


def find_function(address: str, package: str = "tasks") -> Callable[..., Any]:
    """Return the function of a stage: ``P-F`` is ``F`` in ``PACKAGE/P/F.py`` or ``PACKAGE/P.py``.

    Raises
    ------
    WorkflowError
        Naming both files, if it is in neither.
    """
    pipeline, _, name = address.partition("-")
    name = name.replace("-", "_")
    for module_name in (f"{package}.{pipeline}.{name}", f"{package}.{pipeline}"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and not module_name.startswith(error.name):
                raise
            continue
        function = getattr(module, name, None)
        if callable(function):
            return typing.cast("Callable[..., Any]", function)
    folder = package.replace(".", "/")
    raise WorkflowError(f"no function '{name}' in {folder}/{pipeline}/{name}.py or {folder}/{pipeline}.py")


def load_inputs(
    stage: Stage,
    function: Callable[..., Any],
    hints: Mapping[str, Any],
    params: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Load every positional argument from the dependencies of its stem, checked against its contract.

    An argument annotated with a NamedTuple, such as another stage's outputs, takes one dependency for
    each field. A dependency whose path is the value of a param (a watched folder) needs no argument.
    """
    code = function.__code__
    where = f"{code.co_filename}:{code.co_firstlineno}"
    names = code.co_varnames[: code.co_argcount]
    if repeated := repeated_stems(stage.deps):
        raise WorkflowError(
            f"several dependencies in dvc.yaml have the stem {', '.join(repeated)}; rename one"
        )
    by_stem = {Path(path).stem: path for path in stage.deps}
    persistent = {PREVIOUS + Path(out.path).stem: out.path for out in stage.outs if out.persist}
    persistent = {name: path for name, path in persistent.items() if name in names and name not in by_stem}
    stems = {name: () if name in persistent else input_stems(name, hints[name]) for name in names}
    wanted = [stem for group in stems.values() for stem in group]
    if missing := [stem for stem in wanted if stem not in by_stem]:
        raise WorkflowError(
            f"{where}: no dependency in dvc.yaml has the stem of argument {', '.join(missing)}; "
            f"declared are {', '.join(stage.deps)}"
        )
    known = known_by_params(stage, params)
    if names and (unused := [p for stem, p in by_stem.items() if stem not in wanted and p not in known]):
        raise WorkflowError(
            f"{where}: no argument takes {', '.join(unused)}; "
            "add an argument of that stem, or drop the dependency from dvc.yaml"
        )

    def load(stem: str, contract: Any) -> Any:
        return check(files.load(Path(by_stem[stem])), contract, f"input {by_stem[stem]}")

    arguments = {}
    for name in names:
        if name in persistent:
            arguments[name] = load_previous(Path(persistent[name]), hints[name])
        elif is_named_tuple(hints[name]):
            contracts = typing.get_type_hints(hints[name], include_extras=True)
            arguments[name] = hints[name](**{stem: load(stem, contracts[stem]) for stem in stems[name]})
        else:
            arguments[name] = load(name, hints[name])
    return arguments


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
    if is_named_tuple(annotation):
        contracts = typing.get_type_hints(annotation, include_extras=True)
        values = {name: getattr(outcome, name) for name in annotation._fields}
    else:
        contracts = dict.fromkeys(paths, annotation)
        values = dict.fromkeys(paths, outcome)
    if set(values) != set(paths) or (len(paths) > 1 and not is_named_tuple(annotation)):
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
