"""Write a program for polars: eager, lazy, or lazy in chunks (streaming)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.expressions import Aggregate, Column, Expression, Literal, Member, columns_of
from tasks.tuner.generator.helpers_polars import HELPERS
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

# The variable is set first: polars reads it when it is imported.
IMPORTS = """import argparse
import csv
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "{threads}"

import polars as pl
"""
TYPES = {
    "integer": "pl.Int64",
    "float": "pl.Float64",
    "string": "pl.String",
    "boolean": "pl.Boolean",
    "date": "pl.Date",
}
SIGNS = {"and": "&", "or": "|"}


def emit(plan: Plan, configuration: Configuration) -> Program:
    """Return the program of a plan."""
    writer = _Writer(plan, "pl.DataFrame" if configuration.execution == "eager" else "pl.LazyFrame")
    program = Program(heading(plan, configuration))
    program.functions = [writer.source(source) for source in plan.sources]
    program.functions += [writer.table(table) for table in plan.tables]
    program.main = writer.main(configuration)
    text = "\n".join([*program.functions, program.main])
    program.helpers = pick_helpers(HELPERS, text)
    constants = {"BATCH_SIZE": repr(configuration.batch_size)}
    imports = IMPORTS.format(threads=configuration.threads)
    program.imports = [imports, *pick_constants(constants, text)]
    return program


class _Writer:
    """Writer of one plan: the type of a table, and safe names of columns.

    polars reads "*" and names from "^" to "$" as patterns of several columns; such a column has another
    name between its source and the result.
    """

    def __init__(self, plan: Plan, kind: str) -> None:
        self.plan = plan
        self.kind = kind
        names = _all_names(plan)
        self.safe = {name: name for name in names}
        patterns = [name for name in names if name == "*" or (name[:1], name[-1:]) == ("^", "$")]
        for number, name in enumerate(patterns):
            safe = f"column_{number}"
            while safe in names:
                safe += "_"
            self.safe[name] = safe

    def name(self, name: str) -> str:
        """Return the text of a name."""
        return repr(self.safe[name])

    def names(self, names: tuple[str, ...]) -> str:
        """Return the text of a list of names."""
        return "[" + ", ".join(self.name(name) for name in names) + "]"

    def source(self, source: Source) -> str:
        """Return the function that reads a source."""
        columns = ", ".join(self._read(name, kind, source.format) for name, kind in source.columns.items())
        renamed = {name: self.safe[name] for name in source.columns if self.safe[name] != name}
        file = "file" + (f".rename({renamed!r})" if renamed else "")
        collected = ".collect()" if self.kind == "pl.DataFrame" else ""
        lines = [
            f"file = scan_{source.format}(data / {source.path!r}, {list(source.columns)!r})",
            f"frame = {file}.select({columns}){collected}",
        ]
        if source.where is not None:
            lines.append(f"frame.filter({self.text(source.where)})")
        head = f'def read_{source.name}(data: Path) -> {self.kind}:\n    """Read {source.name}."""\n'
        return head + body(lines)

    def _read(self, name: str, kind: str, file_format: str) -> str:
        quoted = self.name(name)
        if file_format == "csv":
            if kind == "boolean":
                return f'text({quoted}).str.to_lowercase().replace_strict({{"true": True, "false": False}})'
            if kind == "date":
                return f"text({quoted}).str.to_date()"
            if kind == "string":
                return f"text({quoted})"
            if kind == "integer":
                return f"text({quoted}).cast(pl.Int64)"
        return f"number({quoted})" if kind == "float" else f"pl.col({quoted}).cast({TYPES[kind]})"

    def table(self, table: Table) -> str:
        """Return the function that makes a table from those it reads."""
        parameters = ", ".join(f"{variable(name)}: {self.kind}" for name in (table.start, *others(table)))
        lines = [f"frame = {variable(table.start)}"]
        for step in table.steps:
            lines += self._step(step)
        head = f'def make_{table.name}({parameters}) -> {self.kind}:\n    """Make {table.name}."""\n'
        return head + body(lines)

    def main(self, configuration: Configuration) -> str:
        """Return the functions `run` and `main`."""
        plan = self.plan
        lines = [f"{variable(source.name)} = read_{source.name}(data)" for source in plan.sources]
        for table in plan.tables:
            inputs = ", ".join(variable(name) for name in (table.start, *others(table)))
            lines.append(f"{variable(table.name)} = make_{table.name}({inputs})")
        renamed = {self.safe[name]: name for name in plan.columns if self.safe[name] != name}
        result = f"{variable(plan.result)}.select({self.names(tuple(plan.columns))})"
        result += f".rename({renamed!r})" if renamed else ""
        result += {"eager": "", "lazy": ".collect()", "streaming": '.collect(engine="streaming")'}[
            configuration.execution
        ]
        lines.append(result)
        batches = ""
        if configuration.execution == "streaming" and configuration.batch_size:
            batches = "    pl.Config.set_streaming_chunk_size(BATCH_SIZE)\n"
        return (
            'def run(data: Path) -> pl.DataFrame:\n    """Compute the result from the files of a folder."""\n'
            + body(lines)
            + "\n\ndef main(words: Sequence[str] | None = None) -> None:\n"
            + '    """Read the command line, compute, and write the result."""\n    '
            + arguments(plan)
            + batches
            + f"    run(arguments.data).write_{plan.format}(arguments.out)\n\n\n"
            + 'if __name__ == "__main__":\n    main()\n'
        )

    def _step(self, step: Step) -> list[str]:
        """Return the lines of one step."""
        if isinstance(step, Filter):
            return [f"frame = frame.filter({self.text(step.condition)})"]
        if isinstance(step, Derive):
            columns = ", ".join(
                f"{self._alone(value)}.alias({self.name(name)})" for name, value in step.columns
            )
            return [f"frame = frame.with_columns({columns})"]
        if isinstance(step, Join):
            right = variable(step.table)
            if step.where is not None:
                right += f".filter({self.text(step.where)})"
            on = f"left_on={self.names(step.left)}, right_on={self.names(step.right)}"
            # The keys of the right table are dropped.
            same = ", coalesce=True" if step.kind in ("inner", "left") else ""
            return [f"frame = frame.join({right}, {on}, how={step.kind!r}{same})"]
        if isinstance(step, Group):
            return self._group(step)
        if isinstance(step, Select):
            return [f"frame = frame.select({self.names(step.columns)})"]
        if isinstance(step, Rename):
            return [f"frame = frame.rename({{{self._renames(step)}}})"]
        if isinstance(step, Union):
            columns = self.names(step.columns)
            parts = ", ".join(f"{variable(name)}.select({columns})" for name in step.tables)
            return [f"frame = pl.concat([frame.select({columns}), {parts}])"]
        if isinstance(step, Sort):
            names = self.names(tuple(name for name, _ in step.keys))
            order = [descending for _, descending in step.keys]
            return [f"frame = frame.sort({names}, descending={order!r}, nulls_last=True)"]
        assert isinstance(step, Limit)
        return [f"frame = frame.head({step.count})"]

    def _renames(self, step: Rename) -> str:
        return ", ".join(f"{self.name(old)}: {self.name(new)}" for old, new in step.names)

    def _group(self, step: Group) -> list[str]:
        if not step.aggregates:
            return [f"frame = frame.select({self.names(step.by)}).unique()"]
        lines, aggregates = self._columns_for(step)
        cells = ", ".join(f"{self._aggregate(a)}.alias({self.name(a.name)})" for a in aggregates)
        if step.by:
            return [*lines, f"frame = frame.group_by({self.names(step.by)}).agg({cells})"]
        return [*lines, f"frame = frame.select({cells})"]

    def _columns_for(self, step: Group) -> tuple[list[str], list[Aggregate]]:
        """Make a column of each constant: polars would aggregate it once only."""
        taken = set(self.safe.values())
        added: list[str] = []
        aggregates = []
        for aggregate in step.aggregates:
            parts = {"argument": aggregate.argument, "where": aggregate.where}
            for role, part in parts.items():
                if part is not None and not columns_of(part):
                    name = "constant"
                    while name in taken:
                        name += "_"
                    taken.add(name)
                    self.safe[name] = name
                    added.append(f"{self._alone(part)}.alias({name!r})")
                    parts[role] = Column(name, part.type)
            aggregates.append(replace(aggregate, argument=parts["argument"], where=parts["where"]))
        return [f"frame = frame.with_columns({', '.join(added)})"] if added else [], aggregates

    def _aggregate(self, aggregate: Aggregate) -> str:
        if aggregate.argument is None:
            if aggregate.where is None:
                return "pl.len().cast(pl.Int64)"
            return f"{self._operand(aggregate.where)}.sum().cast(pl.Int64)"
        values = self._alone(aggregate.argument)
        if aggregate.where is not None:
            values += f".filter({self.text(aggregate.where)})"
        calls = {
            "sum": f"total({bare(values)})",
            "count": f"{values}.count().cast(pl.Int64)",
            "count_distinct": f"{values}.drop_nulls().n_unique().cast(pl.Int64)",
        }
        return calls.get(aggregate.function, f"{values}.{aggregate.function}()")

    def text(self, expression: Expression) -> str:
        """Return the text of an expression, without parentheses around it."""
        return bare(self._alone(expression))

    def _alone(self, expression: Expression) -> str:
        """Return the text of an expression that is a `pl.Expr`, also of a constant."""
        if isinstance(expression, Literal):
            return f"pl.lit({_python(expression)}, {TYPES[expression.type]})"
        return self._operand(expression)

    def _operand(self, expression: Expression) -> str:
        """Return the text of an expression beside another `pl.Expr`."""
        if isinstance(expression, Column):
            return f"pl.col({self.name(expression.name)})"
        if isinstance(expression, Literal):
            return self._alone(expression) if expression.value is None else _python(expression)
        if isinstance(expression, Member):
            options = ", ".join(
                _python(Literal(value, expression.value.type)) for value in expression.options
            )
            return f"{self._alone(expression.value)}.is_in([{options}])"
        operator, parts = expression.operator, expression.arguments
        alone = [self._alone(part) for part in parts]
        if operator in SIGNS:
            return "(" + f" {SIGNS[operator]} ".join(alone) + ")"
        if operator in ("+", "-", "*", "==", "!=", "<", "<=", ">", ">="):
            left, right = alone
            if isinstance(parts[1], Literal):
                right = self._operand(parts[1])
            elif isinstance(parts[0], Literal):
                left = self._operand(parts[0])
            return f"({left} {operator} {right})"
        return self._function(operator, alone, parts)

    def _function(self, operator: str, alone: list[str], parts: tuple[Expression, ...]) -> str:
        first = alone[0]
        simple = {
            "not": f"(~{first})",
            "negate": f"(-{first})",
            "abs": f"{first}.abs()",
            "float": f"{first}.cast(pl.Float64)",
            "is null": f"{first}.is_null()",
            "length": f"{first}.str.len_chars().cast(pl.Int64)",
            "coalesce": f"pl.coalesce({', '.join(bare(part) for part in alone)})",
        }
        if operator in simple:
            return simple[operator]
        if operator in ("year", "month", "day"):
            return f"{first}.dt.{operator}().cast(pl.Int64)"
        if operator == "if":
            test, yes, no = (bare(part) for part in alone)
            return f"pl.when({test}).then({yes}).otherwise({no})"
        if operator == "/" and isinstance(parts[1], Literal) and parts[1].value:
            return f"({first} / {_python(parts[1])})"
        calls = {"/": "divide", "//": "quotient", "%": "remainder", "null_if": "null_if"}
        if operator in calls:
            return f"{calls[operator]}({', '.join(bare(part) for part in alone)})"
        if operator == "substring":
            start, count = (part.value for part in parts[1:] if isinstance(part, Literal))
            assert isinstance(start, int)
            return f"{first}.str.slice({start - 1}, {count})"
        pattern = parts[1]
        assert isinstance(pattern, Literal) and isinstance(pattern.value, str)
        text = pattern.value
        if operator == "like":
            operator, text = like_kind(text)
        if operator == "equal":
            return f"({first} == {text!r})"
        if operator in ("regex", "contains"):
            return f"{first}.str.contains({text!r}, literal={operator == 'contains'})"
        return f"{first}.str.{operator}({text!r})"


def _python(value: Literal) -> str:
    if isinstance(value.value, date):
        return f"date({value.value.year}, {value.value.month}, {value.value.day})"
    return repr(value.value)


def _all_names(plan: Plan) -> list[str]:
    """Return every name of a column that the plan uses, once, in order."""
    names: dict[str, None] = {}

    def add(schema: Schema | list[str]) -> None:
        names.update(dict.fromkeys(schema))

    for source in plan.sources:
        add(source.columns)
    for table in plan.tables:
        for step in table.steps:
            if isinstance(step, Derive):
                add([name for name, _ in step.columns])
            elif isinstance(step, Group):
                add([aggregate.name for aggregate in step.aggregates])
            elif isinstance(step, Rename):
                add([new for _, new in step.names])
    add(plan.columns)
    return list(names)
