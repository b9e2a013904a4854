"""One look at a repository, and one run of it: what the command line and the flows share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from statewright import history, parameters
from statewright.display import new_board, print_plan, terminal
from statewright.plan import SKIP, Plan, decide
from statewright.repository import Repository, declare, observe, open_repository, targets
from statewright.state import State
from statewright.tracking import control_folder
from statewright.workflow import Workflow


@dataclass(frozen=True)
class Session:
    """A repository with its workflow, its state, and the plan that follows from them."""

    repository: Repository
    workflow: Workflow
    state: State
    plan: Plan


def look(directory: Path, names: Sequence[str], *, force: bool = False) -> Session:
    """Declare, observe, decide."""
    repository = open_repository(directory)
    workflow = declare(repository)
    wanted = targets(repository, names)
    state = observe(repository, workflow)
    forced = (wanted or tuple(workflow.stages)) if force else ()
    plan = decide(workflow, state, wanted, force=forced, seconds=history.durations(repository.root))
    return Session(repository, workflow, state, plan)


def run(
    directory: Path,
    names: Sequence[str] = (),
    *,
    workers: int,
    assignments: Sequence[str] = (),
    force: bool = False,
    name: str = "statewright",
) -> int:
    """Plan, show the plan, carry it out, say what came of it.

    Returns
    -------
    int
        0 if every stage is up to date now, 1 if one failed.
    """
    console = terminal()
    root = open_repository(directory).root
    with alone(root, console):
        return _run(root, names, workers, assignments, force, name, console)


@contextmanager
def alone(root: Path, console: Console) -> Iterator[None]:
    """Wait until no other run is at work in the repository; a run that was killed holds no lock."""
    lock = FileLock(control_folder(root / ".statewright") / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print("another run is at work in this repository: waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _run(
    root: Path,
    names: Sequence[str],
    workers: int,
    assignments: Sequence[str],
    force: bool,
    name: str,
    console: Console,
) -> int:
    if assignments:
        changes = [parameters.parse_assignment(text) for text in assignments]
        for patch in parameters.apply(root / "params.yaml", changes):
            console.print(f"params.yaml: {patch.key} {patch.was} -> {patch.now}", highlight=False)
    session = look(root, names, force=force)
    if not session.plan.work:
        console.print(f"nothing to do: {len(session.plan.decisions)} stages are up to date", highlight=False)
        show_results(session)
        return 0
    print_plan(session.plan, console)
    return carry_out(session, workers=workers, name=name, console=console)


def carry_out(session: Session, *, workers: int, name: str, console: Console) -> int:
    """Carry a session's plan out, and say what came of it."""
    from statewright.transition import Limits, transition

    board = new_board(session.plan, console)
    result = transition(
        session.repository,
        session.workflow,
        session.state,
        session.plan,
        Limits(workers=workers),
        name=name,
        board=board,
    )
    counts = {status: list(result.outcomes.values()).count(status) for status in result.outcomes.values()}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), highlight=False)
    if result.unrecorded:
        console.print(f"not wholly recorded in MLflow: {result.unrecorded}", style="yellow", markup=False)
    for error in result.errors.values():
        console.print(error, style="red", markup=False, soft_wrap=True)
    if result.failed:
        console.print("mend the cause and `statewright run` again: finished stages stay finished")
        return 1
    left = _left(session, result.state)
    if left.work:
        console.print("planned anew: inputs turned out otherwise than the run cache had said")
        return carry_out(
            replace(session, state=result.state, plan=left), workers=workers, name=name, console=console
        )
    show_results(session)
    return 0


def _left(session: Session, state: State) -> Plan:
    """Stages that were to be skipped, but have work now: a restore that did not come true."""
    now = decide(session.workflow, state, tuple(session.plan.decisions))
    skipped = [a for a, decision in session.plan.decisions.items() if decision.verdict == SKIP]
    return Plan({address: now.decisions[address] for address in skipped if address in now.work})


def show_results(session: Session) -> None:
    """Print what the stages' `meta.show` names: ``file.json:key`` is a figure, anything else a path."""
    for address in session.plan.decisions:
        for item in session.workflow.stages[address].meta.get("show", ()):
            file, _, key = str(item).partition(":")
            path = session.repository.root / file
            if not path.is_file():
                continue
            print(f"{path.stem} {key}: {_figure(path, key)}" if key else f"{path.stem}: {path}")


def _figure(path: Path, key: str) -> str:
    value: Any = json.loads(path.read_text(encoding="utf-8"))
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return f"{value:.4g}" if isinstance(value, float) else str(value)
