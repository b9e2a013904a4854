"""Random pipelines, each with the rows that it must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st
from random_expressions import HOSTILE, TYPES, VALUES, Row, expressions

names = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
)


def distinct_names(count: int) -> st.SearchStrategy[list[str]]:
    """Return lists of names that differ also when case is ignored."""
    return st.lists(names, min_size=count, max_size=count, unique_by=str.casefold)


@dataclass(frozen=True)
class Pipeline:
    """A specification as plain data, its tables, and the rows that it must give."""

    spec: dict[str, Any]
    tables: dict[str, tuple[dict[str, str], list[Row]]]
    rows: list[Row]


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
