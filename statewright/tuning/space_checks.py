"""Check a space against the params files and the stages, before the first trial."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML, YAMLError

from statewright import parameters
from statewright.repository.declaration import declare, open_repository
from statewright.repository.what_if import overlay_texts
from statewright.tuning.sources import split_name
from statewright.tuning.space_file import SpaceFile
from statewright.workflow import Stage, Workflow, WorkflowError

if TYPE_CHECKING:
    from statewright.search.space import Entry


def check_params(file: SpaceFile, root: Path, workflow: Workflow, stages: Sequence[str]) -> dict[str, Any]:
    """Check the entries of a space, and return the values as they stand.

    Parameters
    ----------
    stages : sequence of str
        Addresses of the stages of a trial.

    Raises
    ------
    WorkflowError
        If a params file has no such key, a value has another type than the current one, or no stage reads
        the param; with file and line.
    """
    current = {}
    for name, entry in file.space.items():
        owner, key = split_name(name)
        if not (root / owner).is_file():
            raise file.fault(name, _no_file(root, workflow, stages, name))
        try:
            for value in _values_of(entry):
                parameters.preview(root / owner, [(key, value)])
        except WorkflowError as error:
            raise file.fault(name, _shortened(str(error), root)) from error
        current[name] = value_at(root / owner, key)
        if type(current[name]) is int and type(entry).__name__ == "Float":
            raise file.fault(
                name,
                f"'{key}' is {current[name]} (int) in {owner}, and the range is of floats; write "
                f"`type: integer` in the range, or {current[name]}.0 in {owner}",
            )
        read = any(_reads(workflow.stages[address], owner, key) for address in stages)
        if not read and not _is_template(root, workflow, stages, name, entry, current[name]):
            raise file.fault(name, _unread(workflow, owner, key))
    _check_models(file, root, workflow, stages)
    return current


def _check_models(file: SpaceFile, root: Path, workflow: Workflow, stages: Sequence[str]) -> None:
    """Raise an error for a value that the params model of a stage function rejects."""
    from statewright.functions.checks import value_faults  # with pydantic, which few studies need

    limited = Workflow({address: workflow.stages[address] for address in stages}, {}, workflow.params)
    if value_faults(root, limited):
        return  # the params as they stand: the first trial says so
    for name, entry in file.space.items():
        owner, key = split_name(name)
        blocks = workflow.params.get(owner, {})
        for value in _values_of(entry):
            changed = {
                block: _with_value(content, key.removeprefix(f"{block}."), value)
                for block, content in blocks.items()
                if key.startswith(f"{block}.")
            }
            if not changed:
                break
            params = {**workflow.params, owner: {**blocks, **changed}}
            if faults := value_faults(root, replace(limited, params=params)):
                raise file.fault(name, faults[0])


def _with_value(content: Any, key: str, value: Any) -> Any:
    """Return a block of params with another value of a key."""
    first, dot, rest = key.partition(".")
    if not isinstance(content, Mapping):
        return content
    return {**content, first: _with_value(content.get(first), rest, value) if dot else value}


def _values_of(entry: Entry) -> Sequence[Any]:
    values: Sequence[Any] | None = getattr(entry, "values", None)
    return (entry.low, entry.high) if values is None else values  # type: ignore[union-attr]


def _shortened(text: str, root: Path) -> str:
    return text.replace(f"{root}/", "")


def value_at(path: Path, key: str) -> Any:
    """Return the value of a key of a params file."""
    text = path.read_text(encoding="utf-8")
    readers: Mapping[str, Any] = {".json": json.loads, ".toml": tomllib.loads}
    value = readers.get(path.suffix, YAML(typ="safe").load)(text)
    for part in key.split("."):
        value = value[part]
    return value


def _reads(stage: Stage, file: str, key: str) -> bool:
    """Return whether a stage declares a param, a mapping around it, or its file."""
    if any(file == dep or file.startswith(f"{dep}/") for dep in stage.deps):
        return True
    keys = stage.params.get(file)
    if keys is None:
        return False
    return not keys or any(
        key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in keys
    )


def _unread(workflow: Workflow, file: str, key: str) -> str:
    readers = [a for a, stage in workflow.stages.items() if _reads(stage, file, key)]
    text = f"no stage of the target has '{key}' of {file} in its params, so it changes nothing"
    if readers:
        return f"{text}; {readers[0]} has it: `statewright tune {readers[0]}`, or a stage that needs it"
    return f"{text}; add it under `params:` of the stage that reads it, in dvc.yaml"


def _no_file(root: Path, workflow: Workflow, stages: Sequence[str], name: str) -> str:
    owner, key = split_name(name)
    files = dict.fromkeys(file for address in stages for file in workflow.stages[address].params)
    holders = [file for file in files if _holds(root / file, key)]
    step = f"did you mean {holders[0]}:{key}?" if holders else f"the stages read {', '.join(files) or 'none'}"
    return f"{owner} does not exist, relative to the root of the repository; {step}"


def _holds(path: Path, key: str) -> bool:
    try:
        value_at(path, key)
    except (OSError, ValueError, KeyError, TypeError, YAMLError):
        return False
    return True


def _is_template(
    root: Path, workflow: Workflow, stages: Sequence[str], name: str, entry: Entry, current: Any
) -> bool:
    """Return whether another value of a param changes a declaration in dvc.yaml.

    DVC replaces ``${key}`` there, and does not list the key among the params of the stage.
    """
    owner, key = split_name(name)
    other = next((value for value in _values_of(entry) if value != current), None)
    if other is None:
        return False
    repository = open_repository(root)
    overlay_texts(repository, {owner: parameters.patched(root / owner, [(key, other)])[1]})
    changed = declare(repository).stages
    return any(changed.get(address) != workflow.stages[address] for address in stages)
