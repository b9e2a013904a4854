"""One look at a repository, and one run of it: what the command line and the flows share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from statewright import parameters
from statewright.plan import SKIP, Plan, decide
from statewright.record import history
from statewright.repository.declaration import Repository, declare, open_repository, targets
from statewright.repository.observation import observe
from statewright.repository.what_if import overlay_state, overlay_texts
from statewright.settled import remember, watching
from statewright.state import State
from statewright.terminal.display import clock, new_board, print_plan, terminal
from statewright.terminal.results import say_nothing_to_do, show_figures
from statewright.workflow import Workflow
from statewright.workspace import WORKING_LOCK, control_folder


@dataclass(frozen=True)
class Session:
    """A repository with its workflow, its state, and the plan that follows from them."""

    repository: Repository
    workflow: Workflow
    state: State
    plan: Plan
    targets: tuple[str, ...] = ()


def look(
    directory: Path, names: Sequence[str], *, force: bool = False, supposed: Sequence[str] = ()
) -> Session:
    """Declare, observe, decide; `supposed` are parameters taken to be otherwise, as in ``train.lr=1e-3``."""
    with watching() as watch:
        session = _look(directory, names, force, supposed)
    if not (names or force or supposed):
        remember(watch, session.repository, session.workflow, session.plan)
    return session


def _look(directory: Path, names: Sequence[str], force: bool, supposed: Sequence[str]) -> Session:
    repository = open_repository(directory)
    texts = {f: t for f, (patches, t) in parameters.assigned(repository.root, supposed).items() if patches}
    if texts:
        overlay_texts(repository, texts)
    workflow = declare(repository)
    wanted = targets(repository, names)
    state = observe(repository, workflow)
    if texts:
        state = overlay_state(repository, state, texts)
    forced = (wanted or tuple(workflow.stages)) if force else ()
    plan = decide(
        workflow,
        state,
        wanted,
        force=forced,
        seconds=history.durations(repository.root),
    )
    return Session(repository, workflow, state, plan, wanted)


def run(
    directory: Path,
    names: Sequence[str] = (),
    *,
    workers: int,
    assignments: Sequence[str] = (),
    force: bool = False,
    keep_going: bool = True,
    name: str = "statewright",
) -> int:
    """Plan, show the plan, carry it out, say what came of it.

    Returns
    -------
    int
        0 if every stage is up to date now, 1 if one failed.
    """
    console = terminal()
    opened = open_repository(directory)
    root, names = opened.root, names if opened.below == "." else targets(opened, names)
    with alone(root, console):
        if assignments:
            for file, patch in parameters.assign(root, assignments):
                console.print(
                    f"{file}: {patch.key} {patch.was} -> {patch.now}", highlight=False, markup=False
                )
        session = look(root, names, force=force)
        if not session.plan.work:
            say_nothing_to_do(root, session.workflow, session.plan, console)
            return 0
        print_plan(session.plan, console)
        return carry_out(session, workers=workers, keep_going=keep_going, name=name, console=console)


@contextmanager
def alone(root: Path, console: Console) -> Iterator[None]:
    """Wait until no other run is at work in the repository, nor what a killed one left behind."""
    control = control_folder(root / ".statewright")
    by = control / "run.by"
    with _waiting(
        FileLock(control / "run.lock"), lambda: f"{_read(by)} is at work in this repository", console
    ):
        by.write_text(f"process {os.getpid()}: {' '.join(sys.argv)}", encoding="utf-8")
        left = FileLock(control / WORKING_LOCK)
        with _waiting(left, lambda: "what a run that was killed had started is being ended", console):
            left.release()
        yield


@contextmanager
def _waiting(lock: FileLock, why: Callable[[], str], console: Console) -> Iterator[None]:
    """Hold a lock for the length of the block; if that takes waiting, say for whom."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"{why()}: waiting for it to end", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else "another run"


def carry_out(session: Session, *, workers: int, name: str, console: Console, keep_going: bool = True) -> int:
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
        keep_going=keep_going,
        board=board,
    )
    counts = {status: list(result.outcomes.values()).count(status) for status in result.outcomes.values()}
    took = result.schedule
    spent = f" in {clock(took.actual)}" if took else ""
    if took and any(session.plan.decisions[address].seconds for address in session.plan.work):
        spent += f", predicted {clock(took.predicted)}"
    console.print(", ".join(f"{n} {status}" for status, n in counts.items()) + spent, highlight=False)
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
        again = replace(session, state=result.state, plan=left)
        return carry_out(again, workers=workers, name=name, console=console, keep_going=keep_going)
    show_results(session)
    return 0


def _left(session: Session, state: State) -> Plan:
    """Stages that were to be skipped, but have work now: a restore that did not come true."""
    now = decide(session.workflow, state, tuple(session.plan.decisions))
    skipped = [a for a, decision in session.plan.decisions.items() if decision.verdict == SKIP]
    return Plan({address: now.decisions[address] for address in skipped if address in now.work})


def show_results(session: Session) -> None:
    """Print what the stages' `meta.show` names."""
    show_figures(session.repository.root, session.workflow, session.plan)
