"""Random expressions, each with the function that computes it.

The function is plain Python, so the oracle shares neither parser nor plan with the generator.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

Row = dict[str, Any]
TYPES = ("integer", "float", "string", "boolean", "date")
ARROW = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
HOSTILE = (
    *(
        "class",
        "None",
        "self",
        "a b",
        'say "hi"',
        "it's",
        "日本",
        "été",
        "line\nbreak",
        "tab\t",
        "*",
        "^a.*$",
    ),
    *(
        '"; DROP TABLE t; --',
        "a.b",
        "{x}",
        "%s",
        "\\",
        "`",
        "[0]",
        "count(*)",
        "select",
        '"""',
        "frame",
        "pl",
    ),
    *(
        "x desc",
        "?",
        "$1",
        ":a",
        "#",
        "\u202e",
        "\U0001f600",
        "<<",
        "1",
        "true",
        "null",
        "-",
        " ",
        "ﬁ",
        "index",
    ),
)
TEXTS = ("", "a", "B", "ab", "é", "a%b", "it's", "日本", "_", 'q"', "line\nbreak", "\\d", "A.*", "^$")
DATES = (date(1969, 12, 31), date(2019, 2, 28), date(2020, 2, 29), date(2020, 12, 31), date(2021, 1, 1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-9, 9),
    # Sums of these are exact in every order.
    "float": st.integers(-32, 32).map(lambda n: n / 4),
    "string": st.sampled_from(TEXTS),
    "boolean": st.booleans(),
    "date": st.sampled_from(DATES),
}


@dataclass(frozen=True)
class Text:
    """Text of an expression, and the function that computes its value from a row."""

    text: str
    value: Callable[[Row], Any]


def reference(name: str, draw: st.DrawFn) -> str:
    """Return the text that refers to a column."""
    plain = name.isidentifier() and name.isascii() and not keyword.iskeyword(name)
    return name if plain and draw(st.booleans()) else f"col({name!r})"


def constant(value: Any) -> str:
    """Return the text of a constant."""
    return f'date("{value}")' if isinstance(value, date) else repr(value)


def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gives null if an argument is null."""
    return lambda *values: None if None in values else function(*values)


def truncated(a: int, b: int) -> int | None:
    """Divide as SQL does."""
    return None if b == 0 else int(math.copysign(1, a) * math.copysign(1, b)) * (abs(a) // abs(b))


def remainder(a: int, b: int) -> int | None:
    """Return the remainder with the sign of the dividend."""
    return None if b == 0 else int(math.fmod(a, b))


def both(values: list[bool | None]) -> bool | None:
    """Return the conjunction in three-valued logic."""
    return False if False in values else None if None in values else True


def either(values: list[bool | None]) -> bool | None:
    """Return the disjunction in three-valued logic."""
    return True if True in values else None if None in values else False


def like(value: str, pattern: str) -> bool:
    """Match with % and _."""
    parts = {"%": ".*", "_": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), value, re.DOTALL) is not None


@st.composite
def expressions(draw: st.DrawFn, schema: dict[str, str], kind: str, depth: int = 3) -> Text:
    """Return an expression of a type over columns."""

    def part(of: str = kind) -> Text:
        return draw(expressions(schema, of, depth - 1))

    columns = [name for name, other in schema.items() if other == kind]
    leaf = depth == 0 or draw(st.integers(0, 3)) == 0
    if leaf and columns and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(columns))
        return Text(reference(name, draw), lambda row: row[name])
    if leaf:
        value = draw(VALUES[kind])
        return Text(f"({constant(value)})", lambda row: value)
    choices = ["if", "coalesce"] + (["null_if"] if kind != "boolean" else [])
    special = draw(st.sampled_from([*choices, *[kind] * 5]))
    if special == "if":
        test, yes, no = part("boolean"), part(), part()
        missing = draw(st.integers(0, 3)) == 0
        text = f"({yes.text} if {test.text} else {'None' if missing else no.text})"
        return Text(
            text, lambda row: yes.value(row) if test.value(row) else None if missing else no.value(row)
        )
    if special == "coalesce":
        first, second = part(), part()
        return Text(
            f"coalesce({first.text}, {second.text})",
            lambda row: second.value(row) if first.value(row) is None else first.value(row),
        )
    if special == "null_if":
        first, second = part(), part()
        return Text(
            f"null_if({first.text}, {second.text})",
            lambda row: None if first.value(row) == second.value(row) else first.value(row),
        )
    if kind == "integer":
        return draw(_integers(part))
    if kind == "float":
        return draw(_floats(part))
    if kind == "string":
        return draw(_strings(part))
    if kind == "date":
        return part()
    return draw(_booleans(part))


@st.composite
def _integers(draw: st.DrawFn, part: Callable[[str], Text]) -> Text:
    functions: dict[str, Callable[..., Any]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "//": truncated,
        "%": remainder,
    }
    operator = draw(st.sampled_from([*functions, "-x", "abs", "length", "year", "month", "day"]))
    if operator in functions:
        a, b, f = part("integer"), part("integer"), lifted(functions[operator])
        return Text(f"({a.text} {operator} {b.text})", lambda row: f(a.value(row), b.value(row)))
    if operator in ("-x", "abs"):
        a, f = part("integer"), lifted(abs if operator == "abs" else lambda x: -x)
        text = f"(-{a.text})" if operator == "-x" else f"abs({a.text})"
        return Text(text, lambda row: f(a.value(row)))
    a = part("string" if operator == "length" else "date")
    f = lifted(len if operator == "length" else lambda x: getattr(x, operator))
    return Text(f"{operator}({a.text})", lambda row: f(a.value(row)))


@st.composite
def _floats(draw: st.DrawFn, part: Callable[[str], Text]) -> Text:
    functions: dict[str, Callable[..., Any]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: None if b == 0 else a / b,
    }
    operator = draw(st.sampled_from([*functions, "float", "abs"]))
    if operator in functions:
        # An integer beside a float becomes one; the division of integers is one.
        kinds = st.sampled_from([("float", "float"), ("integer", "float"), ("float", "integer")])
        left, right = draw(kinds)
        if operator == "/" and draw(st.booleans()):
            left = right = "integer"
        a, b, f = part(left), part(right), lifted(functions[operator])
        return Text(f"({a.text} {operator} {b.text})", lambda row: f(a.value(row), b.value(row)))
    a = part("integer" if operator == "float" else "float")
    f = lifted(float if operator == "float" else abs)
    return Text(f"{operator}({a.text})", lambda row: f(a.value(row)))


@st.composite
def _strings(draw: st.DrawFn, part: Callable[[str], Text]) -> Text:
    a = part("string")
    if draw(st.booleans()):
        b, f = part("string"), lifted(lambda x, y: x + y)
        return Text(f"({a.text} + {b.text})", lambda row: f(a.value(row), b.value(row)))
    start, count = draw(st.integers(1, 3)), draw(st.integers(0, 3))
    f = lifted(lambda x: x[start - 1 : start - 1 + count])
    return Text(f"substring({a.text}, {start}, {count})", lambda row: f(a.value(row)))


@st.composite
def _booleans(draw: st.DrawFn, part: Callable[[str], Text]) -> Text:
    operator = draw(st.sampled_from(["compare"] * 3 + ["logic", "not", "null", "in", "text"]))
    if operator == "logic":
        word = draw(st.sampled_from(["and", "or"]))
        parts = [part("boolean") for _ in range(draw(st.integers(2, 3)))]
        combine = both if word == "and" else either
        text = f" {word} ".join(p.text for p in parts)
        return Text(f"({text})", lambda row: combine([p.value(row) for p in parts]))
    if operator == "not":
        a, f = part("boolean"), lifted(lambda x: not x)
        return Text(f"(not {a.text})", lambda row: f(a.value(row)))
    kind = draw(st.sampled_from(TYPES))
    if operator == "null":
        a, negated = part(kind), draw(st.booleans())
        text = f"({a.text} is {'not ' * negated}None)"
        return Text(text, lambda row: (a.value(row) is None) != negated)
    if operator == "in":
        a, options, negated = (
            part(kind),
            draw(st.lists(VALUES[kind], min_size=1, max_size=3)),
            draw(st.booleans()),
        )
        f = lifted(lambda x: (x in options) != negated)
        text = f"({a.text} {'not ' * negated}in [{', '.join(constant(option) for option in options)}])"
        return Text(text, lambda row: f(a.value(row)))
    if operator == "text":
        pieces = st.lists(st.sampled_from([*TEXTS, "%", "_"]), min_size=1, max_size=3).map("".join)
        a, pattern = part("string"), draw(pieces)
        functions: dict[str, Callable[..., Any]] = {
            "like": like,
            "contains": lambda x, y: y in x,
            "starts_with": str.startswith,
            "ends_with": str.endswith,
        }
        name = draw(st.sampled_from(list(functions)))
        f = lifted(functions[name])
        return Text(f"{name}({a.text}, {pattern!r})", lambda row: f(a.value(row), pattern))
    signs: dict[str, Callable[..., Any]] = {
        "==": lambda x, y: x == y,
        "!=": lambda x, y: x != y,
        "<": lambda x, y: x < y,
        "<=": lambda x, y: x <= y,
        ">": lambda x, y: x > y,
        ">=": lambda x, y: x >= y,
    }
    sign = draw(st.sampled_from(list(signs)[: 2 if kind == "boolean" else 6]))
    a, b, f = part(kind), part(kind), lifted(signs[sign])
    return Text(f"({a.text} {sign} {b.text})", lambda row: f(a.value(row), b.value(row)))
