"""Runner of stages that are functions: load inputs, check, call, write outputs.

``python -m PACKAGE STAGE`` is the command of such a stage in ``dvc.yaml``, for DVC, Prefect and a
person alike. ``PACKAGE/__main__.py`` has three lines::

    from statewright.functions.runner import main

    if __name__ == "__main__":
        main(__package__)

The function receives the values that its annotations describe and opens no file itself.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import time
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright import files
from statewright.contracts import ContractError, Progress, check
from statewright.environment import (
    is_recorded_by_engine,
    quiet,
    referenced_variables,
    resolve_references,
)
from statewright.functions import progress
from statewright.functions.signature import (
    CELL,
    PREVIOUS,
    input_stems,
    is_named_tuple,
    name_of,
    param_texts,
    repeated_stems,
)
from statewright.workflow import Stage, Workflow, WorkflowError

if TYPE_CHECKING:
    from statewright.repository.declaration import Repository


def main(package: str | None, arguments: list[str] | None = None) -> None:
    """Run the stage on the command line; print an error and exit with 1 on failure.

    Parameters
    ----------
    package : str
        Package of the functions: ``__package__`` in its ``__main__.py``.
    arguments : list of str, optional
        The command line (default: that of the process).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a run shows the last line of the output at once
    package = package or "tasks"
    parser = argparse.ArgumentParser(
        prog=f"python -m {package}", description="Run one stage of dvc.yaml that is a function."
    )
    parser.add_argument("stage", help="a stage in dvc.yaml, such as PIPELINE-FUNCTION")
    name = parser.parse_args(arguments).stage
    started = time.time()
    try:
        repository, stage, workflow = _declared(name)
        limit_threads(int(stage.number("cpu", 1)))
        run_stage(stage, workflow.params, package)
    except (ContractError, files.FileError, WorkflowError) as error:
        sys.exit(f"stage '{name}': {error}")
    if not is_recorded_by_engine(Path.cwd()):
        _record(repository, stage, workflow, started)


def limit_threads(number: int) -> None:
    """Limit the numeric libraries to `number` threads.

    The limit also applies to libraries that are imported later. The number of threads decides the
    order of additions, and so the last digits of a result.
    """
    limit = int(os.environ.setdefault("OMP_NUM_THREADS", str(number)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(limit)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(limit)


def _declared(name: str) -> tuple[Repository, Stage, Workflow]:
    from statewright.repository.declaration import declare_one, open_repository

    repository = open_repository(Path.cwd())
    workflow = declare_one(repository, name)
    return repository, workflow.stages[name], workflow


def run_stage(stage: Stage, params: Mapping[str, Mapping[str, Any]], package: str = "tasks") -> None:
    """Load and check the inputs, call the function, check and write the outputs."""
    function = find_function(stage.address, package)
    hints = typing.get_type_hints(function, include_extras=True)
    arguments = load_inputs(stage, function, hints, params) | load_params(stage, hints, params)
    if hints.get(progress.ARGUMENT) is Progress:
        arguments[progress.ARGUMENT] = progress.open_progress(Path.cwd(), stage, params)
    write_outputs(stage, function(**arguments), hints["return"])
    progress.close_progress(Path.cwd(), stage.address)


def find_function(address: str, package: str = "tasks") -> Callable[..., Any]:
    """Return the function of a stage.

    The function of ``P-F`` is ``F`` in ``PACKAGE/P/F.py`` or ``PACKAGE/P.py``, also for the cells
    ``P-F@...`` of a matrix.

    Raises
    ------
    WorkflowError
        If neither file has the function; the message names both.
    """
    pipeline, _, name = address.partition("@")[0].partition("-")
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
    """Load each positional argument from the dependency of its name and check it.

    The name is the stem; see `name_of` for a cell of a matrix.

    An argument annotated with a NamedTuple, such as another stage's outputs, takes one dependency for
    each field. A dependency whose path is the value of a param (a watched folder) needs no argument.

    Raises
    ------
    WorkflowError
        If arguments and dependencies differ.
    """
    code = function.__code__
    where = f"{code.co_filename}:{code.co_firstlineno}"
    names = code.co_varnames[: code.co_argcount]
    if repeated := repeated_stems(stage.deps):
        raise WorkflowError(
            f"several dependencies in dvc.yaml have the stem {', '.join(repeated)}; rename one of the files"
        )
    stems = {stem for name in names for stem in input_stems(name, hints[name])}
    by_stem = {name_of(path, stage.cell, stems): path for path in stage.deps}
    persistent = {PREVIOUS + Path(out.path).stem: out.path for out in stage.outs if out.persist}
    persistent = {name: path for name, path in persistent.items() if name in names and name not in by_stem}
    groups = {name: () if name in persistent else input_stems(name, hints[name]) for name in names}
    needed = {stem: name for name, group in groups.items() for stem in group}
    if missing := [_describe(stem, name) for stem, name in needed.items() if stem not in by_stem]:
        raise WorkflowError(
            f"{where}: no dependency in dvc.yaml has the stem of {', '.join(missing)}; "
            f"the dependencies are {', '.join(stage.deps) or 'none'}"
        )
    texts = param_texts(stage, params)
    if names and (unused := [p for stem, p in by_stem.items() if stem not in needed and p not in texts]):
        raise WorkflowError(
            f"{where}: no argument takes {', '.join(unused)}; "
            "add an argument of that stem, or remove the dependency from dvc.yaml"
        )

    def load(stem: str, contract: Any) -> Any:
        return check(files.load(Path(by_stem[stem])), contract, f"input {by_stem[stem]}")

    arguments = {}
    for name in names:
        if name in persistent:
            arguments[name] = load_previous(Path(persistent[name]), hints[name])
        elif is_named_tuple(hints[name]):
            contracts = typing.get_type_hints(hints[name], include_extras=True)
            arguments[name] = hints[name](**{stem: load(stem, contracts[stem]) for stem in groups[name]})
        else:
            arguments[name] = load(name, hints[name])
    return arguments


def _describe(stem: str, name: str) -> str:
    return f"argument '{name}'" if stem == name else f"field '{stem}' of argument '{name}'"


def load_previous(path: Path, annotation: Any) -> Any:
    """Load the last version of a persistent output, for a ``Contract | None``.

    The result is None if there is no last version. If it is invalid, a warning is printed and the
    result is None too.
    """
    if not path.exists():
        return None
    contract = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    try:
        return check(files.load(path), contract, f"the last {path}")
    except (ContractError, files.FileError) as error:
        print(f"last version is ignored, starting without it: {error}", file=sys.stderr)
        return None


def load_params(
    stage: Stage, hints: Mapping[str, Any], params: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Load the declared blocks of ``params.yaml`` and check them.

    The stage's own block is the argument `params`. The name of any other argument is the last part
    of the block's key. The argument `cell` takes the values of a cell of a matrix.
    """
    own = stage.group.replace("-", ".", 1).replace("-", "_")
    arguments = {}
    if stage.cell and CELL in hints:
        arguments[CELL] = check(dict(stage.cell), hints[CELL], f"dvc.yaml: cell of {stage.address}")
    for key in stage.params.get("params.yaml", ()):
        name = "params" if key == own else key.rpartition(".")[2]
        if name not in hints:
            raise WorkflowError(f"params '{key}' is declared in dvc.yaml, but no argument '{name}' takes it")
        value = params["params.yaml"].get(key)
        if unset := [name for name in referenced_variables(value) if name not in os.environ]:
            raise WorkflowError(
                f"params.yaml: {key} takes {', '.join(unset)} from the environment, where it is not set; "
                f"set it, as in `export {unset[0]}=VALUE`"
            )
        arguments[name] = check(resolve_references(value), hints[name], f"params.yaml: {key}")
    return arguments


def write_outputs(stage: Stage, result: Any, annotation: Any) -> None:
    """Check each returned value and write it to the output of that stem.

    If one value is invalid, nothing is written.
    """
    fields = annotation._fields if is_named_tuple(annotation) else ()
    paths = {name_of(out.path, stage.cell, fields): Path(out.path) for out in stage.outs}
    if is_named_tuple(annotation):
        contracts = typing.get_type_hints(annotation, include_extras=True)
        values = {name: getattr(result, name) for name in annotation._fields}
    else:
        contracts = dict.fromkeys(paths, annotation)
        values = dict.fromkeys(paths, result)
    if set(values) != set(paths) or (len(paths) > 1 and not is_named_tuple(annotation)):
        raise WorkflowError(
            f"returns {', '.join(sorted(values))}, but dvc.yaml declares {', '.join(sorted(paths))}; "
            "both must name the same outputs"
        )
    checked = {name: check(value, contracts[name], f"output {paths[name]}") for name, value in values.items()}
    files.save_all({paths[name]: value for name, value in checked.items()})


def _record(repository: Repository, stage: Stage, workflow: Workflow, started: float) -> None:
    """Record a run that `dvc repro` or a person started; print errors of MLflow."""
    quiet()
    try:
        from statewright.planning.pipelines import pipelines
        from statewright.record import tracking
        from statewright.record.experiment import experiment_name, open_record
        from statewright.record.masking import mask_record
        from statewright.record.outputs import files_of
        from statewright.repository.artifacts import artifact_tags
        from statewright.repository.declaration import declare
        from statewright.repository.metrics import stage_metrics, with_definitions

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
            tags=artifact_tags(repository, stage),
            metrics=stage_metrics(repository, with_definitions(repository, stage)),
            files=files_of(repository.root, with_definitions(repository, stage)),
        )
        pipeline = pipelines(declare(repository)).get(stage.address, "")
        record = open_record(Path.cwd(), experiment=experiment_name(Path.cwd(), pipeline))
        tracking.record_stage(record, mask_record(done))
    except Exception as error:
        print(f"not recorded in MLflow: {type(error).__name__}: {error}", file=sys.stderr)
