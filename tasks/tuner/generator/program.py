"""Program in three layers as text, and what the writers of the engines share.

The layers are imports and configuration, functions, and main; each uses names that the earlier ones
define.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.plan import Join, Plan, Table, Union

RESERVED = {
    *keyword.kwlist,
    *dir(builtins),
    *(
        "argparse",
        "connection",
        "data",
        "date",
        "duckdb",
        "frame",
        "main",
        "os",
        "out",
        "pa",
        "pc",
        "pd",
        "pl",
    ),
    *("path", "pq", "read", "run", "source", "write"),
}


@dataclass
class Program:
    """Text of a program by layer, before it is formatted.

    Attributes
    ----------
    title : str
        Docstring of the program.
    imports : list of str
        Imports and constants, in order.
    helpers : dict of str to str
        Functions that the engine needs, by name; only those that are used.
    functions : list of str
        Functions that read sources and make tables.
    main : str
        Functions `run` and `main`, and the call.
    """

    title: str
    imports: list[str] = field(default_factory=list)
    helpers: dict[str, str] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)
    main: str = ""

    def text(self) -> str:
        """Return the layers as one file."""
        rule = "# " + "-" * 30
        layers = (
            ("1. Imports and configuration", "\n".join(self.imports)),
            ("2. Functions", "\n\n\n".join([*self.helpers.values(), *self.functions])),
            ("3. Main", self.main),
        )
        head = f'"""{self.title}"""\n\nfrom __future__ import annotations\n'
        return head + "\n\n".join(f"\n{rule} {name}\n\n{text}" for name, text in layers) + "\n"


def heading(plan: Plan, configuration: Configuration) -> str:
    """Return the docstring of a program."""
    c = configuration
    threads = f"{c.threads} thread{'s'[: c.threads != 1]}"
    batches = f"batches of {c.batch_size} rows" if c.batch_size else "no batches"
    return (
        f"Pipeline {plan.name} for {c.engine}, written by `python -m tasks.tuner generate`.\n\n"
        f"Configuration: {c.execution}, {threads}, {batches}, {c.read} columns, {c.filters} filters.\n"
    )


def body(lines: list[str]) -> str:
    """Return indented lines; a last assignment becomes the return of its value."""
    assigned = re.match(r"\w+ = ", lines[-1])
    last = "return " + (lines[-1][assigned.end() :] if assigned else lines[-1])
    return "".join(f"    {line}\n" for line in [*lines[:-1], last])


def bare(text: str) -> str:
    """Return the text of a Python expression without parentheses around all of it."""
    if text.startswith("("):
        tree = ast.parse(text, mode="eval").body
        # The node starts inside the first parenthesis only if that surrounds the whole.
        if isinstance(tree, ast.BinOp | ast.Compare | ast.UnaryOp) and (tree.col_offset, tree.lineno) != (
            0,
            1,
        ):
            return text[1:-1]
    return text


def others(table: Table) -> tuple[str, ...]:
    """Return the tables that a table reads beside its start, once, in order."""
    names: dict[str, None] = {}
    for step in table.steps:
        if isinstance(step, Join):
            names[step.table] = None
        elif isinstance(step, Union):
            names.update(dict.fromkeys(step.tables))
    names.pop(table.start, None)
    return tuple(names)


def variable(name: str) -> str:
    """Return a variable for a table: its name, unless the program uses that."""
    return f"{name}_" if name in RESERVED or name.endswith("_") else name


def pick_helpers(helpers: Mapping[str, str], text: str) -> dict[str, str]:
    """Return the helpers that a text calls, and those that they call, in their order."""
    needed: set[str] = set()
    for name in reversed(list(helpers)):
        callers = [text, *(helpers[other] for other in needed)]
        if any(re.search(rf"\b{name}\(", caller) for caller in callers):
            needed.add(name)
    return {name: helper for name, helper in helpers.items() if name in needed}


def pick_constants(constants: Mapping[str, str], text: str) -> list[str]:
    """Return the assignments of the constants that a text uses."""
    return [f"{name} = {value}" for name, value in constants.items() if re.search(rf"\b{name}\b", text)]


def arguments(plan: Plan) -> str:
    """Return the lines of `main` that read the command line."""
    return (
        f"parser = argparse.ArgumentParser(description={'Pipeline ' + plan.name + '.'!r})\n"
        "    parser.add_argument('--data', type=Path, required=True, help='folder of the input files')\n"
        f"    parser.add_argument('--out', type=Path, required=True, help='{plan.format} file to write')\n"
        "    arguments = parser.parse_args(words)\n"
    )


def like_kind(pattern: str) -> tuple[str, str]:
    """Return the simplest test that a LIKE pattern needs, and its text.

    Returns
    -------
    tuple of str
        "equal", "starts_with", "ends_with", "contains" or "regex", and the text or regular expression.
        `%` stands for any characters, `_` for one; there is no escape.
    """
    inner = pattern.strip("%")
    if "_" not in pattern and "%" not in inner:
        kinds = {(False, False): "equal", (False, True): "starts_with", (True, False): "ends_with"}
        edges = (pattern.startswith("%"), pattern.endswith("%"))
        if inner or not pattern:
            return kinds.get(edges, "contains"), inner
    parts = {"%": ".*", "_": "."}
    escaped = (parts.get(c) or (f"\\{c}" if c in r"\.+*?()|[]{}^$" else c) for c in pattern)
    return "regex", f"(?s)^{''.join(escaped)}$"
