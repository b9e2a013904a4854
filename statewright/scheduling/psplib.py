"""Reader of PSPLIB files (`.sm`: single mode, renewable resources).

OR-Tools has a parser for this format, but its error for an invalid file gives no line or cause.

References
----------
Kolisch, Sprecher (1997), PSPLIB, European Journal of Operational Research 96, 205-216.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from statewright.scheduling.schedule import Problem
from statewright.workflow import WorkflowError

SECTIONS = ("PRECEDENCE RELATIONS", "REQUESTS/DURATIONS", "RESOURCEAVAILABILITIES")

Row = tuple[int, list[int]]
"""Line number, and the whole numbers of that line."""


def read_psplib(path: Path) -> Problem:
    """Read the problem in a `.sm` file.

    The tasks are the job numbers as text, including the dummy jobs.

    Raises
    ------
    WorkflowError
        If the file is not in this format; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise WorkflowError(f"{path} cannot be read: {cause}; expected a PSPLIB file (.sm)") from error
    lines = text.splitlines()
    jobs = _stated(path, lines, "jobs")
    if _stated(path, lines, "- nonrenewable") or _stated(path, lines, "- doubly constrained"):
        raise _fault(path, None, "has nonrenewable resources; expected renewable ones only")
    resources = _stated(path, lines, "- renewable")
    after = _successors(path, list(_rows(path, lines, SECTIONS[0])), jobs)
    durations, demands = _requests(path, list(_rows(path, lines, SECTIONS[1])), jobs, resources)
    capacities = _capacities(path, list(_rows(path, lines, SECTIONS[2])), resources)
    return Problem(durations, after, demands, capacities)


def _fault(path: Path, line: int | None, what: str) -> WorkflowError:
    where = f"{path}, line {line}," if line else f"{path}"
    return WorkflowError(f"{where} {what}; see `statewright schedule --help` for the format")


def _stated(path: Path, lines: list[str], name: str) -> int:
    """Return the number in the line ``name ... : number`` of the header."""
    for number, line in enumerate(lines, start=1):
        label, colon, value = line.partition(":")
        if colon and label.strip().startswith(name):
            first = (value.split() or [""])[0]
            if not first.isdecimal():
                raise _fault(path, number, f"says '{first}' {name.strip('- ')}; expected a whole number")
            return int(first)
    raise _fault(path, None, f"has no line '{name} ... : number'; expected a PSPLIB file (.sm)")


def _rows(path: Path, lines: list[str], section: str) -> Iterator[Row]:
    """Yield the rows of whole numbers in a section.

    A line of asterisks or the end of the file ends the section.
    """
    heads = [number for number, line in enumerate(lines) if line.startswith(section)]
    if not heads:
        raise _fault(path, None, f"has no section '{section}:'; expected a PSPLIB file (.sm)")
    # The line after the section's name holds the names of the columns.
    for number, line in enumerate(lines[heads[0] + 2 :], start=heads[0] + 3):
        if line.startswith("*"):
            return
        words = line.split()
        if not words or line.startswith("-"):
            continue
        if not all(word.isdecimal() for word in words):
            wrong = next(word for word in words if not word.isdecimal())
            raise _fault(path, number, f"holds '{wrong}'; expected whole numbers of 0 or more")
        yield number, [int(word) for word in words]


def _successors(path: Path, rows: list[Row], jobs: int) -> dict[str, list[str]]:
    """Return the predecessors of each job."""
    after: dict[str, list[str]] = {str(job): [] for job in range(1, jobs + 1)}
    seen = set()
    for line, row in rows:
        if len(row) < 3 or len(row) != 3 + row[2]:
            stated = f"{row[2]} successors and lists {len(row) - 3}" if len(row) > 2 else "too few numbers"
            raise _fault(path, line, f"states {stated}; expected 'job modes count successors...'")
        job, modes, successors = row[0], row[1], row[3:]
        if modes != 1:
            raise _fault(path, line, f"gives job {job} {modes} modes; expected one (single mode, .sm)")
        for number in (job, *successors):
            if str(number) not in after:
                raise _fault(path, line, f"names job {number}; expected 1 to {jobs}")
        if job in seen:
            raise _fault(path, line, f"names job {job} a second time")
        seen.add(job)
        for successor in successors:
            after[str(successor)].append(str(job))
    _check_complete(path, seen, jobs, SECTIONS[0])
    return after


def _requests(
    path: Path, rows: list[Row], jobs: int, resources: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    durations: dict[str, float] = {}
    demands: dict[str, dict[str, float]] = {}
    for line, row in rows:
        if len(row) != 3 + resources:
            expected = f"expected 'job mode duration' and {resources} demands"
            raise _fault(path, line, f"holds {len(row)} numbers; {expected}")
        job, mode, duration, *amounts = row
        if mode != 1 or not 1 <= job <= jobs or str(job) in durations:
            raise _fault(
                path, line, f"names job {job}, mode {mode}; expected each of 1 to {jobs} once, mode 1"
            )
        durations[str(job)] = duration
        demands[str(job)] = {f"R {k}": amount for k, amount in enumerate(amounts, start=1) if amount}
    _check_complete(path, {int(job) for job in durations}, jobs, SECTIONS[1])
    return durations, demands


def _check_complete(path: Path, seen: set[int], jobs: int, section: str) -> None:
    missing = sorted(set(range(1, jobs + 1)) - seen)
    if missing:
        raise _fault(path, None, f"states {jobs} jobs, but section '{section}:' lacks job {missing[0]}")


def _capacities(path: Path, rows: list[Row], resources: int) -> dict[str, float]:
    if len(rows) != 1 or len(rows[0][1]) != resources:
        line = rows[0][0] if rows else None
        found = len(rows[0][1]) if rows else 0
        raise _fault(path, line, f"gives {found} capacities; expected {resources} in one line")
    return {f"R {k}": amount for k, amount in enumerate(rows[0][1], start=1)}
