"""Random pipelines with the rows that they must give, and a process to run them.

A strategy builds the text of an expression together with a Python function that computes it, so the oracle
shares neither parser nor plan with the generator.
"""

from __future__ import annotations

import ast
import keyword
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cmp_to_key
from pathlib import Path
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

WORKER = """
import pathlib, sys, traceback
for line in sys.stdin:
    path, data, out = line.rstrip("\\n").split("\\t")
    try:
        program = {"__name__": "program"}
        exec(compile(pathlib.Path(path).read_text(encoding="utf-8"), path, "exec"), program)
        program["main"](["--data", data, "--out", out])
        print("done", flush=True)
    except BaseException:
        print(repr(traceback.format_exc()), flush=True)
"""


class Worker:
    """A process that runs one program after another.

    Imports of the engines cost most of the time.

    It is a process of its own because the tests' process may fork, which polars does not survive.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )

    def run(self, program: str, data: Path, out: Path) -> str:
        """Run a program; return "done" or the error."""
        assert self.process.stdin is not None and self.process.stdout is not None
        path = self.folder / "program.py"
        path.write_text(program, encoding="utf-8")
        self.process.stdin.write(f"{path}\t{data}\t{out}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        return line if line == "done" else str(ast.literal_eval(line))

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


@dataclass(frozen=True)
class Text:
    """Text of an expression, and the function that computes its value from a row."""

    text: str
    value: Callable[[Row], Any]


@dataclass(frozen=True)
class Pipeline:
    """A specification as plain data, its tables, and the rows that it must give."""

    spec: dict[str, Any]
    tables: dict[str, tuple[dict[str, str], list[Row]]]
    rows: list[Row]


names = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
)


def distinct_names(count: int) -> st.SearchStrategy[list[str]]:
    """Return lists of names that differ also when case is ignored."""
    return st.lists(names, min_size=count, max_size=count, unique_by=str.casefold)


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


@st.composite
def tables(draw: st.DrawFn, schema: dict[str, str]) -> list[Row]:
    """Return the rows of a small table, with nulls."""
    cells = {name: st.none() | VALUES[kind] for name, kind in schema.items()}
    rows: list[Row] = draw(st.lists(st.fixed_dictionaries(cells), max_size=8))
    return rows


def ordered(rows: list[Row], keys: list[tuple[str, bool]]) -> list[Row]:
    """Return the rows sorted by keys, each with whether it descends; nulls are last."""

    def compare(first: Row, second: Row) -> int:
        for name, descending in keys:
            a, b = first[name], second[name]
            if a != b:
                if a is None or b is None:
                    return 1 if a is None else -1
                return (1 if a > b else -1) * (-1 if descending else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compare))


@st.composite
def pipelines(draw: st.DrawFn, first: str) -> Pipeline:
    """Return a pipeline over two small tables, with random names, and its rows.

    Its steps are one of the kind `first` and up to three others.
    """
    drawn = draw(distinct_names(20))
    kinds = (*TYPES, *draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=1)))
    left = dict(zip(drawn[:6], kinds, strict=True))
    right = dict(zip(drawn[6:10], ("integer", "string", "float", "date"), strict=True))
    fresh = iter(drawn[10:])
    inputs = {"t": (left, draw(tables(left))), "u": (right, draw(tables(right)))}
    schema, rows = dict(left), [dict(row) for row in inputs["t"][1]]
    steps: list[dict[str, Any]] = []
    more = draw(st.lists(st.sampled_from(sorted(_STEPS)), max_size=3, unique=True))
    for kind in dict.fromkeys(draw(st.permutations([first, *more]))):
        found = draw(_STEPS[kind](schema, rows, inputs, fresh))
        if found is not None:
            added, schema, rows = found
            steps += added
    spec = {
        "name": "p",
        "sources": {
            name: {"path": f"{name}.parquet", "columns": columns} for name, (columns, _) in inputs.items()
        },
        "tables": {"r": {"from": "t", "steps": steps}},
        "sink": {"table": "r"},
    }
    return Pipeline(spec, inputs, [{name: row[name] for name in schema} for row in rows])


@st.composite
def _filter(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    test = draw(expressions(schema, "boolean"))
    return [{"filter": test.text}], schema, [row for row in rows if test.value(row) is True]


@st.composite
def _derive(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    # New columns, and one that replaces another: all read the columns before the step.
    targets = [next(fresh), next(fresh), next(fresh), draw(st.sampled_from(list(schema)))]
    values = {}
    kinds = {}
    for name in targets:
        kinds[name] = draw(st.sampled_from(TYPES))
        values[name] = draw(expressions(schema, kinds[name]))
    made = [{**row, **{name: value.value(row) for name, value in values.items()}} for row in rows]
    return [{"derive": {name: value.text for name, value in values.items()}}], {**schema, **kinds}, made


@st.composite
def _join(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    right, others = inputs["u"]
    kind = draw(st.sampled_from(["inner", "left", "semi", "anti"]))
    on = {}
    for other in draw(st.sampled_from([list(right)[:1], list(right)[1:2], list(right)[:2], list(right)[3:]])):
        mine = [name for name, of in schema.items() if of == right[other] and name not in on]
        if not mine:
            return None
        on[draw(st.sampled_from(mine))] = other
    added = {name: of for name, of in right.items() if name not in on.values()}
    made = []
    for row in rows:
        key = [row[name] for name in on]
        matches = [o for o in others if None not in key and [o[name] for name in on.values()] == key]
        if kind in ("semi", "anti"):
            made += [row] * (bool(matches) == (kind == "semi"))
        else:
            found = matches or ([dict.fromkeys(right)] if kind == "left" else [])
            made += [{**row, **{name: match[name] for name in added}} for match in found]
    schema = schema if kind in ("semi", "anti") else {**schema, **added}
    return [{"join": {"table": "u", "kind": kind, "on": on}}], schema, made


@st.composite
def _group(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    by = draw(st.lists(st.sampled_from(list(schema)), max_size=2, unique=True))
    count = draw(st.integers(0 if by else 1, 4))
    aggregates: dict[str, str] = {}
    functions: dict[str, Callable[[list[Row]], Any]] = {}
    kinds = {name: schema[name] for name in by}
    for _ in range(count):
        name = next(fresh)
        aggregates[name], kinds[name], functions[name] = draw(_aggregates(schema))
    groups: dict[Any, list[Row]] = {} if by else {(): []}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    made = [
        {**dict(zip(by, key, strict=True)), **{name: f(members) for name, f in functions.items()}}
        for key, members in groups.items()
    ]
    return [{"group": {"by": by, "aggregates": aggregates}}], kinds, made


@st.composite
def _aggregates(draw: st.DrawFn, schema: Any) -> Any:
    """Return the text of an aggregate, its type, and its function of rows."""
    function = draw(st.sampled_from(["sum", "mean", "min", "max", "count", "count_distinct", "rows"]))
    where = draw(st.none() | expressions(schema, "boolean", 2))
    kept = (lambda rows: [row for row in rows if where.value(row) is True]) if where else list
    suffix = f"where={where.text}" if where else ""
    if function == "rows":
        return f"count({suffix})", "integer", lambda rows: len(kept(rows))
    number = function in ("sum", "mean")
    kind = draw(st.sampled_from(("integer", "float") if number else TYPES))
    if function in ("min", "max") and kind == "boolean":
        kind = "date"
    # The sum of a column is exact; an expression is only summed if it is of integers.
    columns = {name: of for name, of in schema.items() if of == kind}
    shallow = number and kind == "float"
    value = draw(expressions(columns if shallow else schema, kind, 0 if shallow else 2))

    def compute(rows: list[Row]) -> Any:
        found = [v for v in (value.value(row) for row in kept(rows)) if v is not None]
        if function == "count":
            return len(found)
        if function == "count_distinct":
            return len(set(found))
        if not found:
            return None
        return (
            sum(found) / len(found)
            if function == "mean"
            else {"sum": sum, "min": min, "max": max}[function](found)
        )

    text = f"{function}({value.text}{', ' * bool(suffix)}{suffix})"
    counted = {"mean": "float", "count": "integer", "count_distinct": "integer"}
    return text, counted.get(function, kind), compute


@st.composite
def _sort(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    keys = [(name, draw(st.booleans())) for name in draw(st.permutations(list(schema)))[:2]]
    rest = [(name, False) for name in schema if name not in dict(keys)]
    limit = draw(st.integers(0, 4))
    texts = [f"{name} desc" if descending else name for name, descending in keys]
    if any(text in schema and descending for text, (_, descending) in zip(texts, keys, strict=True)):
        return None
    made = ordered(rows, [*keys, *rest])[:limit]
    return [{"sort": texts}, {"limit": limit}], schema, made


@st.composite
def _select(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    kept = draw(st.permutations(list(schema)))[: draw(st.integers(1, len(schema)))]
    made = [{name: row[name] for name in kept} for row in rows]
    return [{"select": kept}], {name: schema[name] for name in kept}, made


@st.composite
def _rename(draw: st.DrawFn, schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    first, *others = draw(st.permutations(list(schema)))
    # Two columns that swap their names, or one that has a new one.
    new = {first: others[0], others[0]: first} if others and draw(st.booleans()) else {first: next(fresh)}
    made = [{new.get(name, name): value for name, value in row.items()} for row in rows]
    return [{"rename": new}], {new.get(name, name): kind for name, kind in schema.items()}, made


def _union(schema: Any, rows: list[Row], inputs: Any, fresh: Any) -> Any:
    if schema != inputs["t"][0]:
        return st.none()
    return st.just(([{"union": ["t"]}], schema, rows + [dict(row) for row in inputs["t"][1]]))


_STEPS: dict[str, Callable[..., Any]] = {
    "filter": _filter,
    "derive": _derive,
    "join": _join,
    "group": _group,
    "sort": _sort,
    "select": _select,
    "rename": _rename,
    "union": _union,
}
