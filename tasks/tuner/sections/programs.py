"""Section of the report on the generated programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.report.blocks import Block, Commands, Prose, Section, count, grid, plural
from tasks.tuner.contracts.measure import GenerateSummary, MeasureSummary
from tasks.tuner.sections.words import cell_name


def finding(measured: Sequence[MeasureSummary]) -> list[str]:
    """Return whether all programs of a specification agree."""
    compared, equal = (sum(getattr(cell, name) for cell in measured) for name in ("compared", "equal"))
    return [f"{count(equal)} of {count(compared)} compared results equal that of the first program."]


def section(
    generated: Sequence[GenerateSummary], measured: Sequence[MeasureSummary], programs: Mapping[str, str]
) -> Section:
    """Return the section: programs by engine, imports, one program in full."""
    blocks: list[Block] = [
        *(Prose(sentence) for sentence in finding(measured)),
        Prose(
            "A specification becomes typed Python in three layers: imports and configuration, functions, "
            "main. "
            "The same specification gives the same bytes. Lines and classes are counted and reward nothing. "
            "Alignment is minus the smoothed divergence between the operations of a program and those asked "
            "for: 0 is equal shares."
        ),
        grid(
            "Programs by specification and engine, one for each configuration; ranges over configurations.",
            (
                "specification",
                "engine",
                "programs",
                "lines",
                "functions",
                "classes",
                "alignment",
                "same bytes",
            ),
            [
                (
                    item.spec.replace("_", " "),
                    item.engine,
                    f"{item.programs}, {item.distinct} distinct",
                    _range(item.lines),
                    _range(item.functions),
                    _range(item.classes),
                    " to ".join(f"{value:.2f}".replace("-", "−") for value in item.alignment),
                    "yes" if item.same_bytes else "no",
                )
                for item in generated
            ],
            text=(1, 7),
        ),
        _imports(measured),
        *(_program(name, text) for name, text in programs.items()),
    ]
    return Section("programs", "What is generated?", tuple(blocks), finding(measured)[0])


def _imports(measured: Sequence[MeasureSummary]) -> Block:
    first = measured[0]
    return grid(
        f"Import of a program and its libraries in seconds, which the measurements leave out "
        f"({cell_name(first.spec, first.rows)}).",
        ("engine", "CPU", "wall"),
        [(engine, f"{cpu:.2f}", f"{wall:.2f}") for engine, (cpu, wall) in first.imports.items()],
    )


def _program(name: str, text: str) -> Block:
    lines = text.rstrip().splitlines()
    return Commands((f"# {name} ({plural(len(lines), 'line')})", *lines))


def _range(values: Sequence[int]) -> str:
    low, high = values
    return str(low) if low == high else f"{low} to {high}"
