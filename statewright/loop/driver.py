"""The closed loop: decide, transition, judge, revise.

::

    S, W  -->  plan A  -->  S'  -->  judge: stop?  --yes-->  the best round's state stands, end
    ^                                   | no
    +---- params.yaml patched  <--------+   (journaled first, with the reason)

Every round is kept (`rounds.py`), noted on its MLflow run and saved as a DVC experiment. A kill at
any moment loses at most the round at work: the journal is written before the patch, and a patch
that was journaled but not applied is applied when the loop starts again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from statewright.contracts import Patch
from statewright.loop import rounds
from statewright.loop.approval import Ask
from statewright.loop.feedback import (
    changed,
    feedback_stage,
    journal_path,
    journal_round,
    mend,
    proposed,
    read_feedback,
    revise,
)
from statewright.loop.judge import Round, Stops, Verdict, best_round, find_metric, gain, judge, unknown_metric
from statewright.loop.restore import restore_round
from statewright.loop.snapshot import current_files, save_current_state, save_round
from statewright.plan import RESTORE, SKIP, decide
from statewright.repository.declaration import open_repository
from statewright.running.launcher import open_launcher
from statewright.running.recorder import Recorder
from statewright.running.servers import prefect_server, use_running_server
from statewright.session import Session, alone, carry_out, look, show_results
from statewright.terminal.display import clock, print_plan, terminal
from statewright.workflow import Stage
from statewright.workspace import WORKING_LOCK, control_folder


@dataclass
class _Loop:
    """What the rounds of one loop share: what led to each (`patches`), when the last began (`since`)."""

    root: Path
    target: str | None
    stops: Stops
    workers: int
    ask: Ask | None
    console: Console
    began: float = field(default_factory=time.monotonic)
    since: float = 0.0
    recorder: Recorder | None = None
    history: list[Round] = field(default_factory=list)
    patches: list[Sequence[Patch]] = field(default_factory=lambda: [()])
    said: set[str] = field(default_factory=set)
    stack: ExitStack = field(default_factory=ExitStack)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn_once(self, text: str) -> None:
        if text not in self.said:
            self.console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
        self.said.add(text)


def loop(
    directory: Path,
    target: str | None = None,
    *,
    stops: Stops,
    workers: int,
    ask: Ask | None = None,
) -> int:
    """Run rounds until something says stop, and leave the best round's state.

    Parameters
    ----------
    target : str or None
        The feedback stage; None for the one whose `meta:` names a journal.
    stops : Stops
        The metric of its target may be named by its end.
    ask : callable or None
        Asked before each patch; no ends the loop.

    Returns
    -------
    int
        0 if it came to a stop in good order, 1 if a stage failed.
    """
    console = terminal()
    root = open_repository(directory).root
    work = _Loop(root, target, stops, workers, ask, console)
    with alone(root, console), work.stack:
        session = _look(work)
        mended = mend(root, feedback_stage(session.workflow, target), session.state)
        if mended:
            work.say(mended)
        return _rounds(work)


def _rounds(work: _Loop) -> int:
    while True:
        ended = _round(work)
        if ended is None:
            return _failed(work)
        done, session, stage = ended
        work.history.append(done)
        verdict = judge(work.history, work.stops)
        work.say(f"round {done.number}: score {done.score:.6g}{_gained(work)}; {verdict.reason}")
        unsaved = save_round(work.root, done, session, _recorder(work), work.since)
        if unsaved:
            work.warn_once(f"rounds are not saved as DVC experiments: {unsaved}")
        patch = [] if verdict.stop else proposed(work.root, stage, done)
        if patch and work.ask and not work.ask(f"{done.reason}\nchange {changed(patch)} and run on?"):
            verdict = Verdict(True, f"a person said no to {changed(patch)}")
            work.say(verdict.reason)
        if verdict.stop:
            return _end(work, stage, verdict)
        work.say(f"next: {changed(patch)}")
        work.patches.append(patch)
        revise(work.root, stage, done, patch)


def _round(work: _Loop) -> tuple[Round, Session, Stage] | None:
    """Decide, transition, read what feedback says; None if a stage failed."""
    session = _look(work)
    stage = feedback_stage(session.workflow, work.target)
    seconds = {a: known.seconds for a, known in session.plan.decisions.items() if known.seconds}
    plan = decide(session.workflow, session.state, _aim(work, session, stage), seconds=seconds)
    session = replace(session, plan=plan)
    number = _number(session, stage)
    title = f"round {number} ({len(work.history) + 1} of {work.stops.rounds})"
    work.console.print(Rule(title, align="left"), width=min(work.console.width, 100))
    started, work.since = time.monotonic(), time.time()
    if session.plan.work:
        print_plan(session.plan, work.console)
        _hold_server(work)
        if carry_out(session, workers=work.workers, name="loop", console=work.console):
            return None
    after = _look(work)
    _aim(work, after, stage, ran=True)
    said = read_feedback(work.root, stage)
    done = Round(
        number=number,
        before=session.state.digest,
        after=after.state.digest,
        score=said.score,
        reason=said.reason,
        stop=said.stop,
        patch=tuple(said.patch),
        plan={address: decision.verdict for address, decision in session.plan.decisions.items()},
        metrics=after.state.metrics,
        seconds=time.monotonic() - started,
        elapsed_s=time.monotonic() - work.began,
    )
    return done, after, stage


def _hold_server(work: _Loop) -> None:
    """One Prefect server for all rounds, where each transition would start a temporary one."""
    if use_running_server():
        return
    control = control_folder(work.root / ".statewright")
    commands = work.stack.enter_context(open_launcher(lock=control / WORKING_LOCK))
    log = control / "logs" / "prefect-server.log"
    address = work.stack.enter_context(prefect_server(commands, log))()
    if address:
        os.environ["PREFECT_API_URL"] = address
        work.stack.callback(os.environ.pop, "PREFECT_API_URL")


def _recorder(work: _Loop) -> Recorder:
    """One process that notes rounds in MLflow, beside the work; what went wrong is said at the end."""
    if work.recorder is None:
        work.recorder = recorder = Recorder(
            work.root, control_folder(work.root / ".statewright") / WORKING_LOCK
        )

        def close() -> None:
            _, problem = recorder.close()
            if problem:
                work.warn_once(f"rounds are not recorded in MLflow: {problem}")

        work.stack.callback(close)
    return work.recorder


def _number(session: Session, stage: Stage) -> int:
    """The number of the round to come: a state that is kept already keeps its number."""
    root = session.repository.root
    verdicts = {decision.verdict for decision in session.plan.decisions.values()}
    known = rounds.number_of(root, current_files(session)) if verdicts <= {SKIP, RESTORE} else None
    return known or rounds.next_number(root, rounds.read_journal(journal_path(root, stage)))


def _look(work: _Loop) -> Session:
    return look(work.root, [work.target] if work.target else [])


def _aim(work: _Loop, session: Session, stage: Stage, *, ran: bool = False) -> list[str]:
    """Give the target its metric's whole name, and say which stages a round needs for it.

    Raises
    ------
    WorkflowError
        If several metrics bear the name, or none does although all metric files are there.
    """
    target, metrics = work.stops.target, session.state.metrics
    if target is None:
        return [stage.address]
    makers = {
        out.path: address
        for address, other in session.workflow.stages.items()
        for out in other.outs
        if out.role == "metric"
    }
    name = find_metric(target.metric, metrics)
    if name:
        work.stops = replace(work.stops, target=replace(target, metric=name))
        return [stage.address, makers[name.rpartition(":")[0]]]
    if ran or all((work.root / path).is_file() for path in makers):
        raise unknown_metric(target.metric, metrics)
    return [stage.address, *makers.values()]


def _failed(work: _Loop) -> int:
    if work.history:
        best = best_round(work.history)
        work.say(f"`statewright run --at {best.number}` goes back to the best round (score {best.score:.6g})")
        _print_table(work)
    return 1


def _gained(work: _Loop) -> str:
    value = gain(work.history)
    if value is None:
        return ""
    return f", a gain of {value:.6g}" if value > 0 else ", no gain"


def _end(work: _Loop, stage: Stage, verdict: Verdict) -> int:
    """Leave the best round's state; where the target is met, that is the state that met it.

    The journal goes forward: what was tried stays known to the feedback stage, which therefore
    runs once more.
    """
    best, last, status = best_round(work.history), work.history[-1], 0
    if best.score < last.score and not verdict.met:
        work.say(f"back to round {best.number}, the best (score {best.score:.6g})")
        save_current_state(look(work.root, []))
        kept = rounds.find_round(work.root, best.number)
        path = journal_path(work.root, stage)
        standing = (work.root / "params.yaml").read_text(encoding="utf-8")
        patch = rounds.patch_between(standing, kept.files.get("params.yaml"))
        journal_round(path, last, patch, f"{verdict.reason} (back to round {best.number}, the best)")
        files = {name: text for name, text in kept.files.items() if work.root / name != path}
        status = restore_round(work.root, kept, files, work.console, workers=work.workers)
    _print_table(work)
    if not status:
        show_results(look(work.root, [stage.address]))
    return status


def _print_table(work: _Loop) -> None:
    best = best_round(work.history)
    table = Table(box=None, pad_edge=False)
    for name in ("round", "score", "changed before it", "took", "verdict"):
        table.add_column(name, justify="right" if name in ("round", "score", "took") else "left")
    for index, (done, patch) in enumerate(zip(work.history, work.patches, strict=False)):
        value = gain(work.history[: index + 1])
        words = "start" if value is None else f"gain {value:.4g}" if value > 0 else "no gain"
        words += ", the best" if done is best and len(work.history) > 1 else ""
        table.add_row(str(done.number), f"{done.score:.6g}", changed(patch), clock(done.seconds), words)
    work.console.print(table)
