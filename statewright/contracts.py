"""Contracts: required contents of a file, and the check of a value against them.

A contract is an annotation on a stage function. There are three kinds:

- ``Table[Model]``: a pandas frame that a pandera model accepts (Parquet, CSV);
- a pydantic model: a JSON document;
- ``Annotated[Tensors, Shapes({...})]``: named arrays with named dimensions (safetensors).

``str`` (HTML, SVG, text), ``bytes`` and ``Path`` (a folder, which the stage reads itself) do not
describe the contents. Only the type of the value is checked.

Stages import this module, so it imports nothing that is slow to load and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from statewright.masking import mask_value

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from typing_extensions import TypeAliasType

Model = TypeVar("Model")


class ContractError(ValueError):
    """Violation of a contract; the message lists each fault with its location."""


class Params(BaseModel):
    """Base of the models of blocks in ``params.yaml``: no unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(BaseModel):
    """Base of the models of JSON files: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Patch(BaseModel):
    """Proposed change of one key in ``params.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    was: Any
    now: Any


class Feedback(BaseModel):
    """Output of a feedback stage: a patch with its reason, or the request to stop.

    The loop compares ``score`` between rounds; lower is better.
    """

    model_config = ConfigDict(extra="forbid")

    stop: bool
    reason: str
    score: float
    patch: list[Patch] = []


@dataclass(frozen=True)
class Progress:
    """Rows and files of a stage; they survive a stage that is killed.

    A stage function takes it as the keyword argument ``progress: Progress``, skips what `rows` has,
    and appends each further row. The result must not depend on where a run was interrupted.

    Parameters
    ----------
    rows : list of dict
        Rows of the interrupted run in their order, with values that JSON can hold.
    keep : callable
        Write a row to disk.
    folder : Path, optional
        Folder for files of the stage, such as the checkpoints of a training. It may not exist yet. None
        if the function is called outside a run.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    keep: Callable[[Mapping[str, Any]], None] = lambda row: None
    folder: Path | None = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Keep one more row."""
        self.keep(row)
        self.rows.append(dict(row))


if TYPE_CHECKING:
    # For a type checker, a table of any contract is a frame.
    Table = TypeAliasType("Table", pd.DataFrame, type_params=(Model,))
else:

    class Table(Generic[Model]):
        """Annotation ``Table[Model]``: a pandas frame that the pandera model accepts."""


Tensors = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Shapes:
    """Dimensions of the arrays in a safetensors file, by name.

    Parameters
    ----------
    arrays : mapping of str to tuple of (str or int)
        Name of each required array -> its dimensions. An integer is a length. A name means
        the same length in all arrays.
    more : bool
        Whether the file may contain other arrays.
    """

    arrays: Mapping[str, tuple[str | int, ...]]
    more: bool = False

    def faults(self, tensors: Mapping[str, Any]) -> list[str]:
        """Return one sentence for each fault of `tensors`; empty if there is none."""
        lengths: dict[str, int] = {}
        faults = []
        for name, dims in self.arrays.items():
            if name not in tensors:
                faults.append(f"array '{name}' is missing")
                continue
            shape = tuple(tensors[name].shape)
            if len(shape) != len(dims):
                faults.append(f"array '{name}' has shape {shape}, expected dimensions {dims}")
                continue
            for dim, length in zip(dims, shape, strict=True):
                expected = dim if isinstance(dim, int) else lengths.setdefault(dim, length)
                if expected != length:
                    faults.append(f"array '{name}': dimension '{dim}' is {length}, expected {expected}")
        if not self.more:
            faults += [
                f"array '{name}' is not in the contract" for name in tensors if name not in self.arrays
            ]
        return faults


def check(value: Any, annotation: Any, subject: str) -> Any:
    """Check `value` against its contract and return it, converted if necessary.

    Parameters
    ----------
    value : object
        Contents of a file, or the return value of a stage.
    annotation : type
        The contract; see the docstring of the module.
    subject : str
        Name of the value in errors, e.g. ``data/careers.parquet``.

    Raises
    ------
    ContractError
        If the value breaks the contract; lists each fault with column and row.
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
        f"{subject}: '{annotation}' is not a contract; use Table[Model], a pydantic model, "
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
    """Return pandera's failure cases as lines with column, rule, value and rows."""
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
    faults = [fault for rule in rules if isinstance(rule, Shapes) for fault in rule.faults(value)]
    if faults:
        raise ContractError(f"{subject} breaks its contract:\n" + "\n".join(f"  {fault}" for fault in faults))
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
            lines.append(f"  {where}: {fault['msg']}, found {mask_value(where, fault['input'])!r:.80}")
        raise ContractError(f"{subject} breaks the contract {model.__name__}:\n" + "\n".join(lines)) from None
