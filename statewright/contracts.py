"""What a file must contain, and whether a value keeps to it.

A contract is an annotation on a stage function. Three kinds are understood:

- ``Table[Model]``: a pandas frame that a pandera model accepts (Parquet, CSV);
- a pydantic model: a JSON document;
- ``Annotated[Tensors, Shapes({...})]``: named arrays with named dimensions (safetensors).

``str`` (HTML, SVG, text), ``bytes`` and ``Path`` (a folder, read by the stage itself) say
nothing about the contents and are checked for their type only.

This module may be imported by stages; it imports nothing heavy and opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from typing_extensions import TypeAliasType

Model = TypeVar("Model")


class ContractError(ValueError):
    """A value does not keep to its contract; the message names every place where."""


class Params(BaseModel):
    """A block of ``params.yaml``: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(BaseModel):
    """The contents of a JSON file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Patch(BaseModel):
    """One proposed change of ``params.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    was: Any
    now: Any


class Feedback(BaseModel):
    """What a feedback stage returns: a patch with its reason, or the word to stop.

    ``score`` is what the loop compares between rounds; lower is better.
    """

    model_config = ConfigDict(extra="forbid")

    stop: bool
    reason: str
    score: float
    patch: list[Patch] = []


if TYPE_CHECKING:
    # To a type checker a table is a frame, whatever its contract.
    Table = TypeAliasType("Table", pd.DataFrame, type_params=(Model,))
else:

    class Table(Generic[Model]):
        """``Table[Model]`` in an annotation: a pandas frame that the pandera model accepts."""


Tensors = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Shapes:
    """Dimensions of the arrays in a safetensors file, by name.

    Parameters
    ----------
    arrays : mapping of str to tuple of (str or int)
        For each required array its dimensions: an integer is a length, a name must have
        one length wherever it occurs.
    more : bool
        Whether other arrays may stand in the file too.
    """

    arrays: Mapping[str, tuple[str | int, ...]]
    more: bool = False

    def faults(self, tensors: Mapping[str, Any]) -> list[str]:
        """Say what is wrong with `tensors`, one sentence a fault; empty if nothing is."""
        lengths: dict[str, int] = {}
        found = []
        for name, dims in self.arrays.items():
            if name not in tensors:
                found.append(f"array '{name}' is missing")
                continue
            shape = tuple(tensors[name].shape)
            if len(shape) != len(dims):
                found.append(f"array '{name}' has shape {shape}, expected dimensions {dims}")
                continue
            for dim, length in zip(dims, shape, strict=True):
                wanted = dim if isinstance(dim, int) else lengths.setdefault(dim, length)
                if wanted != length:
                    found.append(f"array '{name}': dimension '{dim}' is {length}, expected {wanted}")
        if not self.more:
            found += [f"array '{name}' is not in the contract" for name in tensors if name not in self.arrays]
        return found


def check(value: Any, annotation: Any, subject: str) -> Any:
    """Return `value` as its contract wants it.

    Parameters
    ----------
    value : object
        What was read from a file or returned by a stage.
    annotation : type
        The contract, see the module.
    subject : str
        What the value is called in an error, e.g. ``data/careers.parquet``.

    Raises
    ------
    ContractError
        Naming `subject` and every fault with its column and row.
    """
    if annotation is Any:
        return value
    if get_origin(annotation) is Table:
        return _check_table(value, get_args(annotation)[0], subject)
    if get_origin(annotation) is Annotated:
        return _check_tensors(value, get_args(annotation)[1:], subject)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _check_document(value, annotation, subject)
    if annotation in (str, bytes, Path):
        if not isinstance(value, annotation):
            raise ContractError(f"{subject}: expected {annotation.__name__}, found {type(value).__name__}")
        return value
    raise ContractError(
        f"{subject}: '{annotation}' is no contract; use Table[Model], a pydantic model, "
        "Annotated[Tensors, Shapes(...)], str, bytes or Path"
    )


def _check_table(frame: Any, model: Any, subject: str) -> Any:
    import pandas as pd
    from pandera.errors import SchemaErrors

    if not isinstance(frame, pd.DataFrame):
        raise ContractError(f"{subject}: expected a table, found {type(frame).__name__}")
    try:
        return model.validate(frame, lazy=True)
    except SchemaErrors as error:
        raise ContractError(
            f"{subject} breaks the contract {model.__name__}:\n" + describe_failures(error.failure_cases)
        ) from None


def describe_failures(cases: pd.DataFrame, most: int = 8) -> str:
    """Turn pandera's failure cases into lines that name column, rule, value and rows."""
    lines = []
    for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=False):
        rows = [str(int(row)) for row in group["index"].dropna()]
        values = ", ".join(str(value) for value in group["failure_case"].head(3))
        where = f" in rows {', '.join(rows[:most])}{' and more' if len(rows) > most else ''}" if rows else ""
        name = "the table" if not isinstance(column, str) else f"column '{column}'"
        lines.append(f"  {name}: {rule}: found {values}{where}")
    return "\n".join(lines)


def _check_tensors(value: Any, rules: tuple[Any, ...], subject: str) -> Any:
    if not isinstance(value, Mapping):
        raise ContractError(f"{subject}: expected named arrays, found {type(value).__name__}")
    found = [fault for rule in rules if isinstance(rule, Shapes) for fault in rule.faults(value)]
    if found:
        raise ContractError(f"{subject} breaks its contract:\n" + "\n".join(f"  {fault}" for fault in found))
    return value


def _check_document(value: Any, model: type[BaseModel], subject: str) -> BaseModel:
    if isinstance(value, model):
        return value
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            where = ".".join(map(str, fault["loc"])) or "document"
            lines.append(f"  {where}: {fault['msg']}, found {fault['input']!r:.80}")
        raise ContractError(f"{subject} breaks the contract {model.__name__}:\n" + "\n".join(lines)) from None
