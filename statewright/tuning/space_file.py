"""Read a space from a YAML file: params, each with the values to try.

::

    train.lr: {low: 0.001, high: 0.3, log: true}
    train.depth: {low: 2, high: 12}                            # whole numbers: an integer
    train.model: [ridge, forest]
    train.trees: {low: 10, high: 300, when: {train.model: forest}}
    conf/data.yaml:window: [7, 14, 28]

Every fault names the file and the line.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from statewright.tuning.sources import split_name
from statewright.workflow import WorkflowError
from statewright.yaml_lines import load_mapping, plain

if TYPE_CHECKING:
    from statewright.search.space import Choice, Float, Integer, Space

FIELDS = ("low", "high", "log", "type", "values", "when")
TYPES = ("float", "integer")


@dataclass(frozen=True)
class SpaceFile:
    """A space with the lines of its entries.

    Parameters
    ----------
    path : Path
        The file, as messages name it.
    lines : dict of str to int
        Param -> line, from 1.
    """

    path: Path
    space: Space
    lines: dict[str, int]

    def fault(self, name: str, text: str) -> WorkflowError:
        """Return the error for a fault of an entry."""
        return WorkflowError(f"{self.path}, line {self.lines.get(name, 1)}: {text}")


def read_space(path: Path, shown: Path) -> SpaceFile:
    """Read a space.

    Parameters
    ----------
    shown : Path
        The file as messages name it.

    Raises
    ------
    WorkflowError
        If the file is missing or not valid YAML, or an entry has no range; with the line.
    """
    declared = _load(path, shown)
    file = SpaceFile(shown, {}, {name: declared.lc.key(name)[0] + 1 for name in declared})
    space = {name: _entry(file, name, plain(value)) for name, value in declared.items()}
    try:
        search_space().check_space(space)
    except ValueError as error:
        name = str(error).partition(":")[0]
        raise file.fault(name, str(error)) from error
    return SpaceFile(shown, space, file.lines)


def search_space() -> Any:
    """Return the module of spaces, which needs the extra `tune`.

    Raises
    ------
    WorkflowError
        If numpy is not installed, with the command that installs it.
    """
    try:
        from statewright.search import space
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("statewright"):
            raise
        raise WorkflowError(
            f"`statewright tune` needs {error.name}: pip install 'statewright[tune]'"
        ) from error
    return space


def _load(path: Path, shown: Path) -> CommentedMap:
    example = "expected lines such as `train.lr: {low: 0.001, high: 0.3}`"
    declared = load_mapping(path, str(shown), option="--space", content="params to search", example=example)
    for name in declared:
        if not isinstance(name, str):
            line = declared.lc.key(name)[0] + 1
            raise WorkflowError(f"{shown}, line {line}: {name!r} is not the name of a param; {example}")
    return declared


def _entry(file: SpaceFile, name: str, value: Any) -> Float | Integer | Choice:
    module = search_space()
    if isinstance(value, list):
        value = {"values": value}
    if not isinstance(value, dict):
        raise file.fault(name, f"{name} is {value!r}; expected {{low: ..., high: ...}} or a list of values")
    for key in value:
        if key not in FIELDS:
            close = difflib.get_close_matches(key, FIELDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected some of {', '.join(FIELDS)}"
            raise file.fault(name, f"{name} has an unknown key '{key}'; {hint}")
    when = value.get("when")
    try:
        if "values" in value:
            if extra := [key for key in value if key not in ("values", "when")]:
                raise ValueError(f"a list of values has no {extra[0]}")
            _check_values(value["values"])
            return module.Choice(value["values"], when=when)
        kind, low, high = _range(value)
        return (module.Integer if kind == "integer" else module.Float)(low, high, log=_log(value), when=when)
    except (ValueError, TypeError) as error:
        raise file.fault(name, f"{name}: {error}") from error


def _check_values(values: Any) -> None:
    """Raise an error for a value that JSON cannot hold, as a date."""
    if json.loads(json.dumps(values, default=str)) != values:
        raise ValueError(f"{values!r} has a value that is not a number, a text, a list or true or false")


def _range(value: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """Return type and bounds; a text such as 1e-3 is a number."""
    for key in ("low", "high"):
        if key not in value:
            raise ValueError(f"{key} is missing; expected {{low: NUMBER, high: NUMBER}}")
    low, high = (_number(value[key]) for key in ("low", "high"))
    whole = all(isinstance(bound, int) and not isinstance(bound, bool) for bound in (low, high))
    kind = value.get("type", "integer" if whole else "float")
    if kind not in TYPES:
        raise ValueError(f"type is {kind!r}; expected {' or '.join(TYPES)}")
    if kind == "integer":
        low, high = (int(b) if isinstance(b, float) and b.is_integer() else b for b in (low, high))
    return kind, low, high


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _log(value: Mapping[str, Any]) -> bool:
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log is {log!r}; expected true or false")
    return log


def defaults(space: Space, current: Mapping[str, Any]) -> dict[str, Any]:
    """Return the current values of a space without the entries whose condition fails."""

    def holds(name: str) -> bool:
        return all(
            holds(parent) and any(current[parent] == value for value in [wanted, *_listed(wanted)])
            for parent, wanted in (space[name].when or {}).items()
        )

    return {name: current[name] for name in space if holds(name)}


def _listed(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list | tuple) else []


def changes_of(config: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Return the changes of a config by params file: key and value."""
    changes: dict[str, list[list[Any]]] = {}
    for name, value in config.items():
        owner, key = split_name(name)
        changes.setdefault(owner, []).append([key, value])
    return changes
