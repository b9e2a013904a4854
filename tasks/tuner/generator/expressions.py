"""Expressions of a specification as typed trees.

`parser` makes them from text, and the writers of the engines turn them into code. Nulls follow SQL
(docs/generate-a-pipeline.md).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

INTEGER, FLOAT, STRING, BOOLEAN, DATE = "integer", "float", "string", "boolean", "date"
TYPES = (INTEGER, FLOAT, STRING, BOOLEAN, DATE)
NULL = "null"
"""Type of the literal `None`, which takes the type of what is beside it."""

Value = int | float | str | bool | date | None


class ExpressionError(ValueError):
    """An expression that cannot be parsed, or whose types do not fit."""


@dataclass(frozen=True)
class Column:
    """Value of a column."""

    name: str
    type: str


@dataclass(frozen=True)
class Literal:
    """A constant; None is null, and has the type that its place demands."""

    value: Value
    type: str


@dataclass(frozen=True)
class Operation:
    """An operator or function of its arguments.

    `operator` is an arithmetic sign, a comparison, "and", "or", "not", "negate", "is null",
    "if" (condition, then, else), "coalesce", "null_if", "abs", "float", or a name of `FUNCTIONS`.
    """

    operator: str
    arguments: tuple[Expression, ...]
    type: str


@dataclass(frozen=True)
class Member:
    """Test whether a value is one of constants, none of which is null."""

    value: Expression
    options: tuple[Value, ...]
    type: str = BOOLEAN


Expression = Column | Literal | Operation | Member


@dataclass(frozen=True)
class Aggregate:
    """One value of a group: a function over the rows that satisfy `where`.

    `argument` is None for `count()`, the number of rows.
    """

    name: str
    function: str
    argument: Expression | None
    where: Expression | None
    type: str


def columns_of(expression: Expression | None) -> frozenset[str]:
    """Return the names of the columns that an expression reads."""
    if expression is None:
        return frozenset()
    return frozenset(node.name for node in walk(expression) if isinstance(node, Column))


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all its parts."""
    yield expression
    if isinstance(expression, Operation):
        for argument in expression.arguments:
            yield from walk(argument)
    elif isinstance(expression, Member):
        yield from walk(expression.value)


def conjuncts(condition: Expression) -> tuple[Expression, ...]:
    """Split a condition into the parts that must all hold."""
    if isinstance(condition, Operation) and condition.operator == "and":
        return tuple(part for argument in condition.arguments for part in conjuncts(argument))
    return (condition,)


def all_of(conditions: tuple[Expression, ...]) -> Expression:
    """Join conditions that must all hold; there is at least one."""
    return conditions[0] if len(conditions) == 1 else Operation("and", conditions, BOOLEAN)


def unknown(kind: str, name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Return a sentence about a name that does not exist, with the nearest one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = (
        f"did you mean '{near[0]}'?" if near else f"known: {', '.join(map(repr, list(known)[:12])) or 'none'}"
    )
    return f"there is no {kind} {name!r}; {hint}"


def check_text(value: str) -> None:
    """Refuse NUL and surrogates, which some engine cannot hold.

    Raises
    ------
    ExpressionError
        If the text has such a character.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ExpressionError(f"{value!r} has a character that is not allowed: NUL or a surrogate")
