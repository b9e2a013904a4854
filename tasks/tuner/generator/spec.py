"""Specification of a data pipeline: the YAML file, its models and its errors.

docs/generate-a-pipeline.md describes the format. `load_spec` reads a file; every error names the file,
the line and what to write instead.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from tasks.tuner.generator.expressions import ExpressionError, check_text

LARGEST_FILE = 1_000_000
"""Bytes of the largest specification."""
PAGE = "docs/generate-a-pipeline.md"

Location = tuple[str | int, ...]
"""Keys and positions that lead to a value of the file."""


class SpecError(ValueError):
    """A specification that cannot be used; the message names file and line."""


class LocatedError(ValueError):
    """A fault at a location of the specification, before its line is known."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location


def _table_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise ValueError(
            f"{name!r} is not a name for a table; use at most 40 of a-z, 0-9 and _, a letter first"
        )
    return name


def _column_name(name: str) -> str:
    if not name:
        raise ValueError("the name of a column is empty")
    try:
        check_text(name)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return name


def _path(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"the path {path!r} leaves the folder of --data; write it relative to that folder")
    if any(character in path for character in "*?[]\0\n\r"):
        raise ValueError(f"the path {path!r} has a wildcard or a line break; name one file")
    return path


TableName = Annotated[str, AfterValidator(_table_name)]
ColumnName = Annotated[str, AfterValidator(_column_name)]
Type = Literal["integer", "float", "string", "boolean", "date"]


class Model(BaseModel):
    """Base of the models: unknown keys are errors, values keep their types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(Model):
    """A file of the folder that `--data` names."""

    path: Annotated[str, AfterValidator(_path)] = Field(
        description="file relative to --data: .parquet or .csv"
    )
    columns: dict[ColumnName, Type] = Field(description="columns of the file and their types", min_length=1)

    @property
    def format(self) -> str:
        """Return "parquet" or "csv"."""
        return "csv" if self.path.endswith(".csv") else "parquet"

    @model_validator(mode="after")
    def check_format(self) -> Source:
        """Refuse a file whose name tells neither format."""
        if not self.path.endswith((".parquet", ".csv")):
            raise ValueError(f"the path {self.path!r} does not end in .parquet or .csv")
        return self


class Join(Model):
    """Join with another table; rows without a key match none."""

    table: TableName = Field(description="the right table: a source or an earlier table")
    kind: Literal["inner", "left", "semi", "anti"] = "inner"
    on: dict[ColumnName, ColumnName] | list[ColumnName] = Field(
        description="names in both tables, or {left: right}", min_length=1
    )


class Group(Model):
    """One row for each combination of values; without `by`, one row for the table."""

    by: list[ColumnName] = Field(default=[], description="columns that define a group")
    aggregates: dict[ColumnName, str] = Field(default={}, description="name and aggregate of each value")


class Step(Model):
    """One step of a table: exactly one of these keys."""

    filter: str | None = Field(None, description="condition that a row must satisfy")
    derive: dict[ColumnName, str] | None = Field(None, description="new columns and their expressions")
    join: Join | None = None
    group: Group | None = None
    select: list[ColumnName] | None = Field(None, description="columns to keep, in order", min_length=1)
    rename: dict[ColumnName, ColumnName] | None = Field(None, description="old and new names")
    union: list[TableName] | None = Field(None, description="tables whose rows are appended", min_length=1)
    sort: list[str] | None = Field(None, description="columns; ' desc' for a descending one", min_length=1)
    limit: int | None = Field(None, description="number of rows to keep, after a sort", ge=0)

    @model_validator(mode="after")
    def check_one(self) -> Step:
        """Refuse a step of no kind or of several."""
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError(f"a step has exactly one key of: {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """Return the key that the step has."""
        (name,) = self.model_fields_set
        return name


class Table(Model):
    """A named table: a start and the steps from there."""

    start: TableName = Field(alias="from", description="a source or an earlier table")
    steps: list[Step] = []


class Sink(Model):
    """Result of the pipeline."""

    table: TableName
    format: Literal["parquet", "csv"] = "parquet"


class Spec(Model):
    """A data pipeline."""

    name: TableName
    sources: dict[TableName, Source] = Field(min_length=1)
    tables: dict[TableName, Table] = {}
    sink: Sink


def load_spec(path: Path) -> tuple[Spec, Document]:
    """Read a specification.

    Parameters
    ----------
    path : Path
        A YAML file.

    Returns
    -------
    Spec
        The specification, each value of its type.
    Document
        Translates a location to a line, for later errors.

    Raises
    ------
    SpecError
        If the file is missing, is not valid YAML, or does not have the format.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError(f"{path} is larger than {LARGEST_FILE} bytes; is it a specification?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}; name a file that exists") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    return parse_spec(text, str(path))


def parse_spec(text: str, name: str = "the specification") -> tuple[Spec, Document]:
    """Parse the text of a specification; see `load_spec`."""
    try:
        _refuse_aliases(text, name)
        data = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise SpecError(f"{name}{line}: this is not valid YAML: {error.problem}") from None
    except SpecError:
        raise
    except (YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{name}: this is not valid YAML: {error}") from None
    document = Document(name, data)
    if not isinstance(data, dict):
        raise document.error((), "expected the keys name, sources, tables, sink")
    try:
        return Spec.model_validate(_plain(data)), document
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise document.error(first["loc"], _sentence(first)) from None


class Document:
    """Lines of a specification."""

    def __init__(self, name: str, data: Any) -> None:
        self.name = name
        self._data = data

    def error(self, location: Location, message: str) -> SpecError:
        """Return the error with file, line and keys before the message."""
        keys = ".".join(str(key) for key in location if key != "[key]")
        place = f"{self.name}:{self.line(location)}: "
        return SpecError(f"{place}{keys}: {message} ({PAGE})" if keys else f"{place}{message} ({PAGE})")

    def line(self, location: Location) -> int:
        """Return the line, from 1, of the deepest part of the location that exists."""
        node, line = self._data, 1
        for key in location:
            try:
                marks = node.lc.data[key]
                node = node[key]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            line = marks[0] + 1
        return line


def _refuse_aliases(text: str, name: str) -> None:
    """Refuse references: a few lines of them can stand for gigabytes."""
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            raise SpecError(f"{name}:{event.start_mark.line + 1}: references (*name) are not allowed")


def _plain(value: Any) -> Any:
    """Return plain dicts and lists, and scalars without the type of the parser."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _sentence(error: Any) -> str:
    """Return what pydantic found, and what it expected, in one sentence."""
    if error["type"] == "extra_forbidden":
        return "this key is not known"
    if error["type"] == "missing":
        return "this key is missing"
    text = error["msg"].removeprefix("Value error, ")
    value = error.get("input")
    found = (
        f", found {value!r}"
        if isinstance(value, str | int | float) and error["type"] != "value_error"
        else ""
    )
    return text[:1].lower() + text[1:] + found
