"""Print the parameters, settings and durations of a repository as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statewright.configuration import Configuration, settings
from statewright.functions.describe import Parameter
from statewright.scheduling.durations import Duration
from statewright.terminal.words import about, clock, one_line
from statewright.workflow import Workflow


def print_parameters(parameters: Sequence[Parameter], console: Console) -> None:
    """Print key, value, type, range and meaning.

    A key of another file than ``params.yaml`` has the file as its prefix.
    """
    table = Table(box=None, pad_edge=False)
    for name in ("key", "value", "type", "range", "meaning"):
        table.add_column(name, no_wrap=name != "meaning", overflow="ellipsis")
    for parameter in parameters:
        key = parameter.key if parameter.file == "params.yaml" else f"{parameter.file}:{parameter.key}"
        value = json.dumps(parameter.value, default=str, ensure_ascii=False)
        if len(value) > 40:
            value = f"{value[:37]}..."
        table.add_row(*map(Text, (key, value, parameter.type, parameter.range, parameter.meaning)))
    console.print(table)


def print_settings(configuration: Configuration, console: Console) -> None:
    """Print each setting with its value, its source and its meaning."""
    table = Table(box=None, pad_edge=False)
    for name in ("setting", "value", "source", "meaning"):
        table.add_column(name, no_wrap=name != "meaning")
    for name, meaning in settings():
        value = getattr(configuration, name)
        text = value if isinstance(value, str) else json.dumps(value)
        table.add_row(*map(Text, (name, text, configuration.sources.get(name, "default"), meaning)))
    console.print(table)


def print_durations(durations: Mapping[str, Duration], workflow: Workflow, console: Console) -> None:
    """Print the expected duration of each stage with a command, and its source."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "expected", "range", "source"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("expected", "range") else "left")
    for address, stage in workflow.stages.items():
        if duration := durations.get(address):
            span = about((duration.low, duration.high))
            table.add_row(one_line(address), clock(duration.expected), span, duration.source)
        elif stage.cmd:
            table.add_row(one_line(address), "", "", Text("unknown", style="dim"))
    console.print(table)
