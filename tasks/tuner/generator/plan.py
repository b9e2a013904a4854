"""Plan of a specification: tables and steps, with every name and type checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tasks.tuner.generator.expressions import NULL, Aggregate, Expression, ExpressionError, unknown
from tasks.tuner.generator.parser import parse_aggregate, parse_condition, parse_expression
from tasks.tuner.generator.spec import LocatedError, Location, Spec
from tasks.tuner.generator.spec import Step as SpecStep

Schema = Mapping[str, str]
"""Type of each column, in order."""
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Filter:
    """Keep the rows that satisfy the condition."""

    condition: Expression


@dataclass(frozen=True)
class Derive:
    """Add or replace columns; every expression reads the columns before the step."""

    columns: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Join:
    """Join; `where` is a condition on the right table, applied before."""

    table: str
    kind: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    where: Expression | None = None


@dataclass(frozen=True)
class Group:
    """Group by columns; none: the table is one group, also without rows."""

    by: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True)
class Select:
    """Keep columns, in order."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Rename:
    """Rename columns: pairs of old and new names."""

    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Union:
    """Append the rows of other tables that have the same columns."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Sort:
    """Sort by columns, each with whether it descends; nulls are last."""

    keys: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Limit:
    """Keep the first rows."""

    count: int


Step = Filter | Derive | Join | Group | Select | Rename | Union | Sort | Limit


@dataclass(frozen=True)
class Source:
    """A file, the columns that are read, and the condition on the rows that are kept."""

    name: str
    path: str
    format: str
    columns: Schema
    where: Expression | None = None


@dataclass(frozen=True)
class Table:
    """A named table: where it starts and its steps."""

    name: str
    start: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """A checked specification.

    Attributes
    ----------
    sources, tables : tuple
        In the order of the specification; a table reads earlier ones.
    result : str
        Name of the table that is written.
    columns : Mapping
        Its columns and their types.
    format : str
        "parquet" or "csv".
    """

    name: str
    sources: tuple[Source, ...]
    tables: tuple[Table, ...]
    result: str
    columns: Schema
    format: str


def resolve(spec: Spec) -> Plan:
    """Check names and types, and return the plan as it is written.

    Raises
    ------
    LocatedError
        If a table or column does not exist, two have one name, or types do not fit.
    """
    schemas: dict[str, Schema] = {}
    for name, source in spec.sources.items():
        _check_name(name, schemas, ("sources", name))
        _check_columns(tuple(source.columns), ("sources", name, "columns"))
        schemas[name] = source.columns
    tables: list[Table] = []
    for name, table in spec.tables.items():
        _check_name(name, schemas, ("tables", name))
        schema = _schema_of(table.start, schemas, ("tables", name, "from"))
        steps: list[Step] = []
        for number, step in enumerate(table.steps):
            place: Location = ("tables", name, "steps", number, step.kind)
            following = table.steps[number + 1].kind if number + 1 < len(table.steps) else ""
            if step.kind == "limit" and (not steps or not isinstance(steps[-1], Sort)):
                raise LocatedError(place, "a limit needs a sort just before it, or its rows are arbitrary")
            resolved, schema = _resolve_step(step, schema, schemas, place)
            if isinstance(resolved, Sort) and following == "limit":
                resolved = _break_ties(resolved, schema)
            _check_columns(tuple(schema), place)
            steps.append(resolved)
        schemas[name] = schema
        tables.append(Table(name, table.start, tuple(steps)))
    columns = _schema_of(spec.sink.table, schemas, ("sink", "table"))
    sources = tuple(Source(name, s.path, s.format, s.columns) for name, s in spec.sources.items())
    return Plan(spec.name, sources, tuple(tables), spec.sink.table, columns, spec.sink.format)


def _resolve_step(
    step: SpecStep, schema: Schema, schemas: Mapping[str, Schema], place: Location
) -> tuple[Step, Schema]:
    if step.filter is not None:
        return Filter(_parsed(parse_condition, step.filter, schema, place)), schema
    if step.derive is not None:
        columns = tuple(
            (name, _known_type(_parsed(parse_expression, text, schema, (*place, name)), (*place, name)))
            for name, text in step.derive.items()
        )
        return Derive(columns), {**schema, **{name: value.type for name, value in columns}}
    if step.join is not None:
        return _resolve_join(step, schema, schemas, place)
    if step.group is not None:
        return _resolve_group(step, schema, place)
    if step.select is not None:
        _check_once(step.select, place)
        for number, name in enumerate(step.select):
            _check_known(name, schema, (*place, number))
        return Select(tuple(step.select)), {name: schema[name] for name in step.select}
    if step.rename is not None:
        for name in step.rename:
            _check_known(name, schema, (*place, name))
        _check_columns(tuple(step.rename.get(name, name) for name in schema), place)
        renamed = {step.rename.get(name, name): kind for name, kind in schema.items()}
        return Rename(tuple(step.rename.items())), renamed
    if step.union is not None:
        for number, name in enumerate(step.union):
            if dict(_schema_of(name, schemas, (*place, number))) != dict(schema):
                raise LocatedError(
                    (*place, number), f"table '{name}' has other columns or types than this one"
                )
        return Union(tuple(step.union), tuple(schema)), schema
    if step.sort is not None:
        return _resolve_sort(step.sort, schema, place), schema
    assert step.limit is not None
    return Limit(step.limit), schema


def _resolve_join(
    step: SpecStep, schema: Schema, schemas: Mapping[str, Schema], place: Location
) -> tuple[Join, Schema]:
    assert step.join is not None
    join = step.join
    right = _schema_of(join.table, schemas, (*place, "table"))
    pairs = list(join.on.items()) if isinstance(join.on, dict) else [(name, name) for name in join.on]
    _check_once([mine for mine, _ in pairs], (*place, "on"))
    _check_once([other for _, other in pairs], (*place, "on"))
    for mine, other in pairs:
        _check_known(mine, schema, (*place, "on"))
        _check_known(other, right, (*place, "on"))
        if schema[mine] != right[other]:
            kinds = f"{schema[mine]} and {right[other]}"
            raise LocatedError(
                (*place, "on"), f"'{mine}' and '{other}' are of types {kinds}; expected one type"
            )
        if schema[mine] == "float":
            raise LocatedError((*place, "on"), f"'{mine}' is of type float, which is no safe key")
    resolved = Join(join.table, join.kind, tuple(m for m, _ in pairs), tuple(o for _, o in pairs))
    if join.kind in ("semi", "anti"):
        return resolved, schema
    added = {name: kind for name, kind in right.items() if name not in resolved.right}
    both = sorted(set(added) & set(schema))
    if both:
        raise LocatedError(place, f"both tables have a column '{both[0]}'; rename or select before the join")
    return resolved, {**schema, **added}


def _resolve_group(step: SpecStep, schema: Schema, place: Location) -> tuple[Group, Schema]:
    assert step.group is not None
    group = step.group
    _check_once(group.by, (*place, "by"))
    for number, name in enumerate(group.by):
        _check_known(name, schema, (*place, "by", number))
    if not group.by and not group.aggregates:
        raise LocatedError(place, "a group needs columns under 'by', aggregates, or both")
    aggregates = []
    for name, text in group.aggregates.items():
        where = (*place, "aggregates", name)
        if name in group.by:
            raise LocatedError(where, f"'{name}' is a column of 'by' too; give the aggregate another name")
        aggregates.append(_parsed(partial(parse_aggregate, name), text, schema, where))
    columns = {name: schema[name] for name in group.by} | {a.name: a.type for a in aggregates}
    return Group(tuple(group.by), tuple(aggregates)), columns


def _resolve_sort(keys: list[str], schema: Schema, place: Location) -> Sort:
    found = []
    for number, key in enumerate(keys):
        # A column may itself end in " desc".
        name, descending = (
            (key, False) if key in schema else (key.removesuffix(" desc"), key.endswith(" desc"))
        )
        _check_known(name, schema, (*place, number))
        found.append((name, descending))
    _check_once([name for name, _ in found], place)
    return Sort(tuple(found))


def _break_ties(sort: Sort, schema: Schema) -> Sort:
    """Sort by the other columns too, so that engines agree on the first rows."""
    given = {name for name, _ in sort.keys}
    return Sort((*sort.keys, *((name, False) for name in schema if name not in given)))


def _parsed(parse: Callable[[str, Schema], Parsed], text: str, schema: Schema, place: Location) -> Parsed:
    try:
        return parse(text, schema)
    except ExpressionError as error:
        raise LocatedError(place, str(error)) from None


def _known_type(value: Expression, place: Location) -> Expression:
    if value.type == NULL:
        raise LocatedError(place, "None alone has no type")
    return value


def _check_known(name: str, schema: Schema, place: Location) -> None:
    if name not in schema:
        raise LocatedError(place, unknown("column", name, schema))


def _check_once(names: list[str], place: Location) -> None:
    """Refuse a list that names a column twice."""
    for number, name in enumerate(names):
        if name in names[:number]:
            raise LocatedError(place, f"the column '{name}' is in the list twice; name it once")


def _check_columns(names: tuple[str, ...], place: Location) -> None:
    """Refuse two names that only differ in case: to SQL they are one."""
    known: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if folded in known:
            raise LocatedError(
                place, f"the columns {known[folded]!r} and {name!r} have one name when case is ignored"
            )
        known[folded] = name


def _check_name(name: str, schemas: Mapping[str, Schema], place: Location) -> None:
    if name.casefold() in {known.casefold() for known in schemas}:
        raise LocatedError(place, f"the name '{name}' is taken by another source or table")


def _schema_of(name: str, schemas: Mapping[str, Schema], place: Location) -> Schema:
    if name not in schemas:
        raise LocatedError(place, unknown("source or earlier table", name, schemas))
    return schemas[name]
