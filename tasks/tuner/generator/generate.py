"""Generate the program of a specification for one configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tasks.tuner.generator import emit_duckdb, emit_pandas, emit_polars
from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.placement import drop_unused, place_filters, prune
from tasks.tuner.generator.plan import Plan, resolve
from tasks.tuner.generator.program import Program
from tasks.tuner.generator.spec import LocatedError, load_spec

WIDTH = 110
EMITTERS = {"pandas": emit_pandas.emit, "polars": emit_polars.emit, "duckdb": emit_duckdb.emit}


def load_plan(path: Path) -> Plan:
    """Read and check a specification.

    Raises
    ------
    SpecError
        If the specification cannot be used.
    """
    spec, document = load_spec(path)
    try:
        return resolve(spec)
    except LocatedError as error:
        raise document.error(error.location, str(error)) from None


def generate(plan: Plan, configuration: Configuration) -> str:
    """Return the program, formatted; equal arguments give equal bytes.

    Parameters
    ----------
    plan : Plan
        A checked specification.
    configuration : Configuration
        The engine and its settings.
    """
    return layout(emit(plan, configuration).text())


def emit(plan: Plan, configuration: Configuration) -> Program:
    """Return the layers of the program of a plan.

    Parameters
    ----------
    plan : Plan
        A checked specification.
    configuration : Configuration
        The engine and its settings.
    """
    plan = drop_unused(plan)
    if configuration.filters == "early":
        plan = place_filters(plan)
    if configuration.read == "used":
        plan = prune(plan)
    return EMITTERS[configuration.engine](plan, configuration)


def layout(text: str) -> str:
    """Return a program formatted by ruff, as this project formats its code.

    Raises
    ------
    RuntimeError
        If the text is not valid Python: an error of the generator.
    """
    # F401: an engine's layer lists every import that one of its fragments may need.
    formatted = _ruff(["format"], _ruff(["check", "--select", "F401,I", "--fix", "--quiet"], text))
    # Names and texts of the specification may be longer than a line, and are not split.
    wide = any(len(line) * (1 if line.isascii() else 2) > WIDTH for line in formatted.splitlines())
    if wide and _ruff(["check", "--select", "E501", "--exit-zero", "--quiet"], formatted):
        formatted = formatted.replace('"""\n\nfrom', '"""\n\n# ruff: noqa: E501\nfrom', 1)
    return formatted


def _ruff(words: list[str], text: str) -> str:
    from ruff.__main__ import find_ruff_bin

    options = ["--isolated", "--line-length", str(WIDTH), "--target-version", "py311", "-"]
    done = subprocess.run(
        [find_ruff_bin(), *words, *options], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ruff {words[0]} fails on the program: {done.stderr.decode()}")
    return done.stdout.decode()
