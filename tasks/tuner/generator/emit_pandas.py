"""Write a program for pandas.

Columns have the types of Arrow, whose nulls follow SQL: a comparison with null is null, and a row is kept
where its condition is true.
"""

from __future__ import annotations

from datetime import date

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.expressions import Aggregate, Column, Expression, Literal, Member, columns_of
from tasks.tuner.generator.helpers_pandas import HELPERS
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
    Source,
    Step,
    Table,
    Union,
)
from tasks.tuner.generator.program import (
    Program,
    arguments,
    bare,
    body,
    heading,
    like_kind,
    others,
    pick_constants,
    pick_helpers,
    variable,
)

IMPORTS = """import argparse
import csv
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq
"""
ARROW = {
    "integer": "pa.int64()",
    "float": "pa.float64()",
    "string": "pa.string()",
    "boolean": "pa.bool_()",
    "date": "pa.date32()",
}
CONSTANTS = {kind.upper(): f"pd.ArrowDtype({arrow})" for kind, arrow in ARROW.items()}
SIGNS = {"and": "&", "or": "|"}
TESTS = {"starts_with": "startswith", "ends_with": "endswith"}


def emit(plan: Plan, configuration: Configuration) -> Program:
    """Return the program of a plan."""
    program = Program(heading(plan, configuration))
    schemas: dict[str, Schema] = {}
    for source in plan.sources:
        program.functions.append(_source(source, bool(configuration.batch_size)))
        schemas[source.name] = source.columns
    for table in plan.tables:
        program.functions.append(_table(table, configuration.execution))
    program.main = _main(plan)
    text = "\n".join([*program.functions, program.main])
    program.helpers = pick_helpers(HELPERS, text)
    text += "\n".join(program.helpers.values())
    constants = {
        "THREADS": repr(configuration.threads),
        "BATCH_SIZE": repr(configuration.batch_size),
        **CONSTANTS,
        "RESULT": f"pa.schema({_types(plan.columns)})",
    }
    program.imports = [IMPORTS, *pick_constants(constants, text)]
    return program


def _types(columns: Schema) -> str:
    return "{" + ", ".join(f"{name!r}: {ARROW[kind]}" for name, kind in columns.items()) + "}"


def _source(source: Source, in_batches: bool) -> str:
    """Return the function that reads a source."""
    call = f"(data / {source.path!r}, {_types(source.columns)})"
    name = f"read_{source.name}"
    head = f'def {name}(data: Path) -> pd.DataFrame:\n    """Read {source.name}."""\n'
    if source.format == "csv" or not in_batches:
        lines = [f"frame = read_{source.format}{call}"]
        if source.where is not None:
            lines.append(f"frame[{series(source.where)}]")
        return head + body(lines)
    batches = f"read_batches{call}"
    if source.where is not None:
        batches = f"[frame[{series(source.where)}] for frame in {batches}]"
    return head + f"    return pd.concat({batches}, ignore_index=True)\n"


def _table(table: Table, execution: str) -> str:
    """Return the function that makes a table from those it reads."""
    parameters = ", ".join(f"{variable(name)}: pd.DataFrame" for name in (table.start, *others(table)))
    lines = [f"frame = {variable(table.start)}"]
    for step in table.steps:
        lines += _step(step, execution)
    # An assignment to a column is not a value to return.
    lines += ["frame"] * (not lines[-1].startswith("frame = "))
    return (
        f'def make_{table.name}({parameters}) -> pd.DataFrame:\n    """Make {table.name}."""\n{body(lines)}'
    )


def _main(plan: Plan) -> str:
    lines = [f"{variable(source.name)} = read_{source.name}(data)" for source in plan.sources]
    for table in plan.tables:
        inputs = ", ".join(variable(name) for name in (table.start, *others(table)))
        lines.append(f"{variable(table.name)} = make_{table.name}({inputs})")
    if not (plan.tables and plan.tables[-1].name == plan.result):
        lines.append(variable(plan.result))
    return (
        'def run(data: Path) -> pd.DataFrame:\n    """Compute the result from the files of a folder."""\n'
        + body(lines)
        + "\n\ndef main(words: Sequence[str] | None = None) -> None:\n"
        + '    """Read the command line, compute, and write the result."""\n    '
        + arguments(plan)
        + "    pa.set_cpu_count(THREADS)\n    pa.set_io_thread_count(THREADS)\n"
        + f"    write_{plan.format}(run(arguments.data), arguments.out)\n\n\n"
        + 'if __name__ == "__main__":\n    main()\n'
    )


def _step(step: Step, execution: str) -> list[str]:
    """Return the lines of one step."""
    if isinstance(step, Filter):
        return [f"frame = frame[{series(step.condition)}]"]
    if isinstance(step, Derive):
        return _derive(step.columns)
    if isinstance(step, Join):
        return _join(step, execution)
    if isinstance(step, Group):
        return _group(step)
    if isinstance(step, Select):
        return [f"frame = frame[{list(step.columns)!r}]"]
    if isinstance(step, Rename):
        return [f"frame = frame.rename(columns={dict(step.names)!r})"]
    if isinstance(step, Union):
        columns = list(step.columns)
        parts = ", ".join(f"{variable(name)}[{columns!r}]" for name in step.tables)
        return [f"frame = pd.concat([frame[{columns!r}], {parts}], ignore_index=True)"]
    if isinstance(step, Sort):
        names = [name for name, _ in step.keys]
        order = [not descending for _, descending in step.keys]
        return [f"frame = frame.sort_values({names!r}, ascending={order!r}, ignore_index=True)"]
    assert isinstance(step, Limit)
    return [f"frame = frame.head({step.count})"]


def _derive(columns: tuple[tuple[str, Expression], ...]) -> list[str]:
    """Return the assignments; an expression reads the columns before the step."""
    lines = ["frame = frame.copy(deep=False)"]
    names = {name for name, _ in columns}
    before = "frame"
    if len(columns) > 1 and any(columns_of(value) & names for _, value in columns):
        before = "before"
        lines.insert(0, "before = frame")
    return lines + [f"frame[{name!r}] = {series(value, before)}" for name, value in columns]


def _join(step: Join, execution: str) -> list[str]:
    right = variable(step.table)
    lines = []
    if step.where is not None:
        lines.append(f"matches = {right}[{series(step.where, right)}]")
        right = "matches"
    left_on, right_on = list(step.left), list(step.right)
    if step.kind in ("inner", "left"):
        call = "lookup" if execution == "lookup" else "join"
        return [*lines, f"frame = {call}(frame, {right}, {left_on!r}, {right_on!r}, {step.kind!r})"]
    if execution == "lookup" and len(left_on) == 1:
        test = f"is_in(frame[{left_on[0]!r}], {right}[{right_on[0]!r}])"
    else:
        test = f"has_match(frame, {right}, {left_on!r}, {right_on!r})"
    return [*lines, f"frame = frame[{'~' if step.kind == 'anti' else ''}{test}]"]


def _group(step: Group) -> list[str]:
    if not step.aggregates:
        return [f"frame = frame[{list(step.by)!r}].drop_duplicates(ignore_index=True)"]
    lines: list[str] = []
    taken = set(step.by).union(*(columns_of(e) for a in step.aggregates for e in (a.argument, a.where)))
    values: dict[str, str] = {}
    for aggregate in step.aggregates:
        value = _argument(aggregate)
        if value is None or isinstance(value, Column):
            values[aggregate.name] = value.name if value else ""
        else:
            column = aggregate.name
            while column in taken:
                column += "_"
            taken.add(column)
            values[aggregate.name] = column
            lines.append(f"frame[{column!r}] = {value}")
    if lines:
        lines.insert(0, "frame = frame.copy(deep=False)")
    if step.by:
        lines.append(f"groups = frame.groupby({list(step.by)!r}, dropna=False, sort=False)")
        cells = (f"{a.name!r}: {_call('groups', values[a.name], a)}" for a in step.aggregates)
        return [*lines, f"frame = pd.DataFrame({{{', '.join(cells)}}}).reset_index()"]
    cells = (
        f"{a.name!r}: pd.Series([{_call('frame', values[a.name], a)}], dtype={a.type.upper()})"
        for a in step.aggregates
    )
    return [*lines, f"frame = pd.DataFrame({{{', '.join(cells)}}})"]


def _argument(aggregate: Aggregate) -> Column | str | None:
    """Return the column to aggregate, or text that makes it; None: the rows."""
    argument, where = aggregate.argument, aggregate.where
    if where is None:
        return argument if argument is None or isinstance(argument, Column) else series(argument)
    value = argument if argument is not None else Literal(1, "integer")
    empty = operand(Literal(None, value.type), "frame")
    return f"choose({series(where)}, {series(value)}, {empty})"


def _call(groups: str, column: str, aggregate: Aggregate) -> str:
    if not column:
        return f"{groups}.size()" if groups == "groups" else "len(frame)"
    method = {"sum": "sum(min_count=1)", "count_distinct": "nunique()"}
    return f"{groups}[{column!r}].{method.get(aggregate.function, aggregate.function + '()')}"


def series(expression: Expression, frame: str = "frame") -> str:
    """Return the text of a Series, without parentheses around it."""
    return bare(_series(expression, frame))


def _series(expression: Expression, frame: str) -> str:
    if isinstance(expression, Literal):
        return f"literal({frame}, {_python(expression)}, {expression.type.upper()})"
    return _text(expression, frame)


def operand(expression: Expression, frame: str) -> str:
    """Return the text of a Series, or of a constant beside one."""
    if isinstance(expression, Literal) and expression.value is not None:
        return _python(expression)
    return _series(expression, frame)


def _python(value: Literal) -> str:
    if isinstance(value.value, date):
        return f"date({value.value.year}, {value.value.month}, {value.value.day})"
    return repr(value.value)


def _text(expression: Expression, frame: str) -> str:
    if isinstance(expression, Column):
        return f"{frame}[{expression.name!r}]"
    if isinstance(expression, Member):
        options = ", ".join(_python(Literal(value, expression.value.type)) for value in expression.options)
        return f"member({series(expression.value, frame)}, [{options}])"
    assert not isinstance(expression, Literal)
    operator, parts = expression.operator, expression.arguments
    first = _series(parts[0], frame)
    texts = [first, *(operand(part, frame) for part in parts[1:])]
    if operator in SIGNS:
        return "(" + f" {SIGNS[operator]} ".join(_series(part, frame) for part in parts) + ")"
    if operator in ("+", "-", "*", "==", "!=", "<", "<=", ">", ">="):
        if isinstance(parts[0], Literal) and not isinstance(parts[1], Literal):
            texts[0] = operand(parts[0], frame)
        return f"({texts[0]} {operator} {texts[1]})"
    if operator == "/" and isinstance(parts[1], Literal) and parts[1].value:
        return f"({first}.astype(FLOAT) / {float(parts[1].value)!r})"  # type: ignore[arg-type]
    calls = {"/": "divide", "//": "quotient", "%": "remainder", "if": "choose", "null_if": "null_if"}
    if operator in calls:
        helper = calls[operator]
        return f"{helper}({', '.join(series(part, frame) for part in parts)})"
    return _function(operator, first, texts[1:], parts)


def _function(operator: str, first: str, rest: list[str], parts: tuple[Expression, ...]) -> str:
    """Return the text of a function of one Series and constants."""
    simple = {
        "not": f"(~{first})",
        "negate": f"(-{first})",
        "abs": f"{first}.abs()",
        "float": f"{first}.astype(FLOAT)",
        "is null": f"is_null({first})",
        "length": f"{first}.str.len().astype(INTEGER)",
    }
    if operator in simple:
        return simple[operator]
    if operator in ("year", "month", "day"):
        return f"{first}.dt.{operator}.astype(INTEGER)"
    if operator == "coalesce":
        return first + "".join(f".fillna({other})" for other in rest)
    if operator == "substring":
        start, count = (part.value for part in parts[1:] if isinstance(part, Literal))
        assert isinstance(start, int) and isinstance(count, int)
        return f"{first}.str.slice({start - 1}, {start - 1 + count})"
    pattern = parts[1]
    assert isinstance(pattern, Literal) and isinstance(pattern.value, str)
    text = pattern.value
    if operator == "like":
        operator, text = like_kind(text)
    if operator == "equal":
        return f"({first} == {text!r})"
    if operator == "regex":
        return f"{first}.str.match({text!r})"
    if operator == "contains":
        return f"{first}.str.contains({text!r}, regex=False)"
    return f"{first}.str.{TESTS[operator]}({text!r})"
