"""Write a program for duckdb.

Its SQL text has every name in quotes, and no value from outside. The execution "views" makes a view of
each table, so that duckdb optimises them as one query; "tables" makes temporary tables.
"""

from __future__ import annotations

from datetime import date

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.expressions import Aggregate, Column, Expression, Literal, Member, Value, conjuncts
from tasks.tuner.generator.helpers_duckdb import HELPERS
from tasks.tuner.generator.placement import outline
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
from tasks.tuner.generator.program import Program, arguments, heading, pick_constants, pick_helpers

IMPORTS = """import argparse
from collections.abc import Sequence
from pathlib import Path

import duckdb
"""
TYPES = {"integer": "BIGINT", "float": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE"}
SIGNS = {"==": "=", "!=": "<>"}
BREAK = "\0"
"""Stands for a line break inside a name or text, which no indentation may change; NUL is in neither."""


def emit(plan: Plan, configuration: Configuration) -> Program:
    """Return the program of a plan."""
    program = Program(heading(plan, configuration))
    kind = "TABLE" if configuration.execution == "tables" else "VIEW"
    schemas: dict[str, Schema] = {source.name: source.columns for source in plan.sources}
    program.functions = [_source(source) for source in plan.sources]
    for table in plan.tables:
        program.functions.append(_table(table, kind, schemas))
        schemas[table.name] = outline(schemas[table.start], table.steps, schemas)
    program.main = _main(plan, configuration)
    text = "\n".join([*program.functions, program.main])
    program.helpers = pick_helpers(HELPERS, text)
    text += "\n".join(program.helpers.values())
    constants = {"THREADS": repr(configuration.threads), "BATCH_SIZE": repr(configuration.batch_size)}
    program.imports = [IMPORTS, *pick_constants(constants, text)]
    return program


def _source(source: Source) -> str:
    """Return the function that opens a source: two views, file and types."""
    file = f"{source.name} file"
    columns = ",\n  ".join(_read(name, kind, source.format) for name, kind in source.columns.items())
    inner = f"SELECT\n  {columns}\nFROM {quoted(file)}"
    if source.where is not None:
        inner = f"SELECT * FROM (\n{_indented(inner)}\n)\n{_where(source.where)}"
    view = f"CREATE TEMP VIEW {quoted(source.name)} AS\n{inner}"
    names = list(source.columns)
    return (
        f"def read_{source.name}(connection: duckdb.DuckDBPyConnection, data: Path) -> None:\n"
        f'    """Open {source.name}."""\n'
        f"    open_{source.format}(connection, data / {source.path!r}, {file!r}, {names!r})\n"
        f"    connection.execute({python_text(view)})\n"
    )


def _read(name: str, kind: str, file_format: str) -> str:
    column = quoted(name)
    if kind == "float":
        return f"finite({column}) AS {column}"
    if file_format == "csv" and kind == "string":
        return f"nullif({column}, '') AS {column}"
    return f"CAST({column} AS {TYPES[kind]}) AS {column}"


def _table(table: Table, kind: str, schemas: dict[str, Schema]) -> str:
    """Return the function that makes a table: one query with a part for each step."""
    parts: list[str] = []
    origin = quoted(table.start)
    schema = schemas[table.start]
    steps = list(table.steps)
    for number, step in enumerate(steps):
        following = steps[number + 1] if number + 1 < len(steps) else None
        if not isinstance(step, Limit):
            limit = following.count if isinstance(following, Limit) else None
            parts.append(_step(step, origin, schema, schemas, limit))
            origin = quoted(f"step {len(parts)}")
        schema = outline(schema, (step,), schemas)
    if len(parts) < 2:
        query = parts[0] if parts else f"SELECT * FROM {origin}"
    else:
        named = [f'"step {n}" AS (\n{_indented(part)}\n)' for n, part in enumerate(parts[:-1], 1)]
        query = "WITH\n" + ",\n".join(named) + "\n" + parts[-1]
    text = f"CREATE TEMP {kind} {quoted(table.name)} AS\n{query}"
    return (
        f"def make_{table.name}(connection: duckdb.DuckDBPyConnection) -> None:\n"
        f'    """Make {table.name}."""\n    connection.execute({python_text(text)})\n'
    )


def _main(plan: Plan, configuration: Configuration) -> str:
    lines = [f"read_{source.name}(connection, data)" for source in plan.sources]
    lines += [f"make_{table.name}(connection)" for table in plan.tables]
    columns = ", ".join(quoted(name) for name in plan.columns)
    options = "FORMAT parquet" if plan.format == "parquet" else "FORMAT csv, HEADER true"
    query = f"SELECT {columns} FROM {quoted(plan.result)}"
    batch = f", {configuration.batch_size}" if configuration.batch_size and plan.format == "parquet" else ""
    return (
        "def run(connection: duckdb.DuckDBPyConnection, data: Path) -> None:\n"
        '    """Define the result from the files of a folder."""\n'
        + "".join(f"    {line}\n" for line in lines)
        + "\n\ndef main(words: Sequence[str] | None = None) -> None:\n"
        + '    """Read the command line, compute, and write the result."""\n    '
        + arguments(plan)
        + "    with connect() as connection:\n"
        + "        run(connection, arguments.data)\n"
        + f"        write(connection, arguments.out, {python_text(query)}, {options!r}"
        + (", BATCH_SIZE" if batch else "")
        + ')\n\n\nif __name__ == "__main__":\n    main()\n'
    )


def _step(step: Step, origin: str, schema: Schema, schemas: dict[str, Schema], limit: int | None) -> str:
    """Return the query of one step."""
    if isinstance(step, Filter):
        return f"SELECT * FROM {origin}\n{_where(step.condition)}"
    if isinstance(step, Derive):
        values = {name: sql(value) for name, value in step.columns}
        cells = [f"{values.pop(n)} AS {quoted(n)}" if n in values else quoted(n) for n in schema]
        cells += [f"{value} AS {quoted(name)}" for name, value in values.items()]
        return "SELECT\n  " + ",\n  ".join(cells) + f"\nFROM {origin}"
    if isinstance(step, Join):
        return _join(step, origin, schemas)
    if isinstance(step, Group):
        keys = ", ".join(quoted(name) for name in step.by)
        cells = [*(quoted(name) for name in step.by), *(_aggregate(a) for a in step.aggregates)]
        grouped = f"\nGROUP BY {keys}" if step.by else ""
        return "SELECT\n  " + ",\n  ".join(cells) + f"\nFROM {origin}{grouped}"
    if isinstance(step, Select):
        return f"SELECT {', '.join(quoted(name) for name in step.columns)}\nFROM {origin}"
    if isinstance(step, Rename):
        names = dict(step.names)
        cells = [f"{quoted(name)} AS {quoted(names.get(name, name))}" for name in schema]
        return f"SELECT {', '.join(cells)}\nFROM {origin}"
    if isinstance(step, Union):
        columns = ", ".join(quoted(name) for name in step.columns)
        tables = [origin, *(quoted(name) for name in step.tables)]
        return "\nUNION ALL\n".join(f"SELECT {columns} FROM {name}" for name in tables)
    assert isinstance(step, Sort)
    keys = ", ".join(f"{quoted(name)} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in step.keys)
    return f"SELECT * FROM {origin}\nORDER BY {keys}" + ("" if limit is None else f"\nLIMIT {limit}")


def _join(step: Join, origin: str, schemas: dict[str, Schema]) -> str:
    right = quoted(step.table)
    if step.where is not None:
        right = f"(SELECT * FROM {right} WHERE {sql(step.where)})"
    pairs = zip(step.left, step.right, strict=True)
    on = " AND ".join(f"l.{quoted(mine)} = r.{quoted(other)}" for mine, other in pairs)
    cells = ["l.*"]
    if step.kind in ("inner", "left"):
        cells += [f"r.{quoted(name)}" for name in schemas[step.table] if name not in step.right]
    return f"SELECT {', '.join(cells)}\nFROM {origin} AS l\n{step.kind.upper()} JOIN {right} AS r ON {on}"


def _where(condition: Expression) -> str:
    return "WHERE " + "\n  AND ".join(sql(part) for part in conjuncts(condition))


def _aggregate(aggregate: Aggregate) -> str:
    argument = "*" if aggregate.argument is None else sql(aggregate.argument)
    calls = {"mean": f"avg({argument})", "count_distinct": f"count(DISTINCT {argument})"}
    text = calls.get(aggregate.function, f"{aggregate.function}({argument})")
    if aggregate.where is not None:
        text += f" FILTER (WHERE {sql(aggregate.where)})"
    if aggregate.function == "sum" and aggregate.type == "integer":
        # The sum of 64 bits has 128.
        text = f"CAST({text} AS BIGINT)"
    return f"{text} AS {quoted(aggregate.name)}"


def sql(expression: Expression, typed: bool = True) -> str:
    """Return the SQL of an expression, in parentheses where it has an operator.

    A constant on one side of a sign takes the type of the other; `typed` gives it one.
    """
    if isinstance(expression, Column):
        return quoted(expression.name)
    if isinstance(expression, Literal):
        return literal(expression.value, expression.type, typed)
    if isinstance(expression, Member):
        kind = expression.value.type
        return (
            f"({sql(expression.value)} IN ({', '.join(literal(v, kind, False) for v in expression.options)}))"
        )
    operator = expression.operator
    signs = ("+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=")
    typed = operator not in signs or all(isinstance(part, Literal) for part in expression.arguments)
    parts = tuple(sql(part, typed) for part in expression.arguments)
    if operator in ("and", "or"):
        return "(" + f" {operator.upper()} ".join(parts) + ")"
    if operator in ("/", "//", "%"):
        divisor = expression.arguments[1]
        nonzero = isinstance(divisor, Literal) and divisor.value
        return f"({parts[0]} {operator} {parts[1] if nonzero else f'nullif({parts[1]}, 0)'})"
    if operator == "+" and expression.type == "string":
        return f"({parts[0]} || {parts[1]})"
    if operator in ("+", "-", "*", "==", "!=", "<", "<=", ">", ">="):
        return f"({parts[0]} {SIGNS.get(operator, operator)} {parts[1]})"
    if operator == "if":
        return f"CASE WHEN {parts[0]} THEN {parts[1]} ELSE {parts[2]} END"
    simple = {
        "not": "(NOT {})",
        "negate": "(- {})",
        "is null": "({} IS NULL)",
        "float": "CAST({} AS DOUBLE)",
        "like": "({} LIKE {})",
        "null_if": "nullif({}, {})",
        "ends_with": "suffix({}, {})",
    }
    if operator in simple:
        return simple[operator].format(*parts)
    return f"{operator}({', '.join(parts)})"


def literal(value: Value, kind: str, typed: bool = True) -> str:
    """Return the SQL of a constant, with a type of the same width on every engine."""
    if value is None:
        return f"CAST(NULL AS {TYPES[kind]})"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''").replace("\n", BREAK) + "'"
    if kind == "float":
        # Without an exponent, 0.07 is a decimal.
        return repr(float(value)) + ("" if "e" in repr(float(value)) else "e0")
    return f"{value}::BIGINT" if typed else str(value)


def quoted(name: str) -> str:
    """Return a name as SQL, in quotes, which are doubled inside."""
    return '"' + name.replace('"', '""').replace("\n", BREAK) + '"'


def python_text(text: str) -> str:
    """Return a Python literal of a text, in lines unless one needs an escape."""
    if "\n" not in text:
        return repr(text.replace(BREAK, "\n"))
    lines = text.split("\n")
    plain = all(line.isprintable() and not line.endswith(" ") for line in lines)
    if plain and "\\" not in text and '"""' not in text:
        return f'"""\n{text}\n"""'
    ended = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
    return " ".join(repr(line.replace(BREAK, "\n")) for line in ended)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
