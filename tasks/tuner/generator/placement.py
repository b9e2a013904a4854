"""Place conditions and drop columns in a plan, without a change of its result.

`place_filters` moves each condition to the earliest step that has its columns; every operator of the
language is total, so a condition may see more rows than the author wrote. `prune` reads only the columns
of the sources that some step uses.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from tasks.tuner.generator.expressions import Expression, all_of, columns_of, conjuncts
from tasks.tuner.generator.plan import (
    Derive,
    Filter,
    Group,
    Join,
    Limit,
    Plan,
    Rename,
    Schema,
    Select,
    Sort,
    Step,
    Table,
    Union,
)


def place_filters(plan: Plan) -> Plan:
    """Return the plan with every condition as early as its columns allow."""
    schemas: dict[str, Schema] = {source.name: source.columns for source in plan.sources}
    tables = []
    for table in plan.tables:
        steps: list[Step] = []
        for step in table.steps:
            if isinstance(step, Filter):
                for condition in conjuncts(step.condition):
                    steps = _insert(steps, condition, schemas[table.start], schemas)
            else:
                steps.append(step)
        schemas[table.name] = outline(schemas[table.start], table.steps, schemas)
        tables.append(replace(table, steps=tuple(steps)))
    return _into_sources(replace(plan, tables=tuple(tables)))


def _into_sources(plan: Plan) -> Plan:
    """Return the plan with the conditions on sources that are read once there."""
    counts = Counter(name for table in plan.tables for name in _reads(table))
    counts[plan.result] += 1
    single = {source.name for source in plan.sources if counts[source.name] == 1}
    where: dict[str, Expression] = {}
    tables = []
    for table in plan.tables:
        steps = list(table.steps)
        if table.start in single and steps and isinstance(steps[0], Filter):
            where[table.start] = steps.pop(0).condition  # type: ignore[union-attr]
        for number, step in enumerate(steps):
            if isinstance(step, Join) and step.table in single and step.where is not None:
                where[step.table] = step.where
                steps[number] = replace(step, where=None)
        tables.append(replace(table, steps=tuple(steps)))
    sources = tuple(replace(source, where=where.get(source.name)) for source in plan.sources)
    return replace(plan, sources=sources, tables=tuple(tables))


def _reads(table: Table) -> Iterator[str]:
    """Yield the name of each table that a table reads, once for each time."""
    yield table.start
    for step in table.steps:
        if isinstance(step, Join):
            yield step.table
        elif isinstance(step, Union):
            yield from step.tables


def prune(plan: Plan) -> Plan:
    """Return the plan with sources reduced to the columns that are used."""
    schemas: dict[str, Schema] = {source.name: source.columns for source in plan.sources}
    for table in plan.tables:
        schemas[table.name] = outline(schemas[table.start], table.steps, schemas)
    needed: dict[str, set[str]] = defaultdict(set)
    needed[plan.result] = set(plan.columns)
    for table in reversed(plan.tables):
        columns = needed[table.name]
        for step in reversed(table.steps):
            columns = _before(step, columns, schemas, needed)
        needed[table.start] |= columns & set(schemas[table.start])
    sources = []
    for source in plan.sources:
        # A count of rows needs no column, yet a table has at least one.
        names = needed[source.name] | columns_of(source.where)
        used = {name: kind for name, kind in source.columns.items() if name in names}
        sources.append(replace(source, columns=used or dict([next(iter(source.columns.items()))])))
    return replace(plan, sources=tuple(sources))


def outline(schema: Schema, steps: tuple[Step, ...], schemas: dict[str, Schema]) -> Schema:
    """Return the columns after some steps.

    Parameters
    ----------
    schema : Schema
        Columns before the first step.
    steps : tuple of Step
        The steps.
    schemas : dict
        Columns of every table that a join may name.
    """
    for step in steps:
        if isinstance(step, Derive):
            schema = {**schema, **{name: value.type for name, value in step.columns}}
        elif isinstance(step, Join) and step.kind in ("inner", "left"):
            right = schemas[step.table]
            schema = {**schema, **{name: kind for name, kind in right.items() if name not in step.right}}
        elif isinstance(step, Group):
            schema = {name: schema[name] for name in step.by} | {a.name: a.type for a in step.aggregates}
        elif isinstance(step, Select):
            schema = {name: schema[name] for name in step.columns}
        elif isinstance(step, Rename):
            names = dict(step.names)
            schema = {names.get(name, name): kind for name, kind in schema.items()}
    return schema


def drop_unused(plan: Plan) -> Plan:
    """Return the plan without what the result does not depend on."""
    used = {plan.result}
    for table in reversed(plan.tables):
        if table.name in used:
            used.update(_reads(table))
    return replace(
        plan,
        sources=tuple(source for source in plan.sources if source.name in used),
        tables=tuple(table for table in plan.tables if table.name in used),
    )


def _insert(
    steps: list[Step], condition: Expression, start: Schema, schemas: dict[str, Schema]
) -> list[Step]:
    """Return the steps with one condition more, as early as possible."""
    columns = columns_of(condition)
    position = len(steps)
    while position and _passes(
        steps[position - 1], columns, outline(start, tuple(steps[: position - 1]), schemas)
    ):
        position -= 1
    before = steps[position - 1] if position else None
    if isinstance(before, Join) and before.kind == "inner" and columns:
        right = {name for name in schemas[before.table] if name not in before.right}
        if columns <= right:
            where = condition if before.where is None else all_of((before.where, condition))
            return [*steps[: position - 1], replace(before, where=where), *steps[position:]]
    after = steps[position] if position < len(steps) else None
    if isinstance(after, Filter):
        merged = Filter(all_of((*conjuncts(after.condition), condition)))
        return [*steps[:position], merged, *steps[position + 1 :]]
    return [*steps[:position], Filter(condition), *steps[position:]]


def _passes(step: Step, columns: frozenset[str], schema: Schema) -> bool:
    """Return whether a condition on `columns` may move before the step.

    `schema` holds the columns before it.
    """
    if isinstance(step, Derive):
        return not columns & {name for name, _ in step.columns}
    if isinstance(step, Join):
        return columns <= set(schema)
    if isinstance(step, Group):
        # Without `by`, the group exists even if no row does.
        return bool(step.by) and columns <= set(step.by)
    return isinstance(step, Filter | Select | Sort)


def _before(
    step: Step, needed: set[str], schemas: dict[str, Schema], tables: dict[str, set[str]]
) -> set[str]:
    """Return the columns needed before a step; add those of other tables."""
    if isinstance(step, Filter):
        return needed | columns_of(step.condition)
    if isinstance(step, Derive):
        defined = {name for name, _ in step.columns}
        return (needed - defined).union(*(columns_of(value) for _, value in step.columns))
    if isinstance(step, Join):
        right = set(schemas[step.table]) - set(step.right)
        of_right = needed & right if step.kind in ("inner", "left") else set()
        tables[step.table] |= of_right | set(step.right) | columns_of(step.where)
        return (needed - of_right) | set(step.left)
    if isinstance(step, Group):
        read = (columns_of(e) for a in step.aggregates for e in (a.argument, a.where))
        return set(step.by).union(*read)
    if isinstance(step, Select):
        return set(step.columns)
    if isinstance(step, Rename):
        old = {new: name for name, new in step.names}
        return {old.get(name, name) for name in needed} | {name for name, _ in step.names}
    if isinstance(step, Union):
        for name in step.tables:
            tables[name] |= set(step.columns)
        return set(step.columns)
    if isinstance(step, Sort):
        return needed | {name for name, _ in step.keys}
    assert isinstance(step, Limit)
    return needed
