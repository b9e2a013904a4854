"""The closed loop: decide, transition, judge, revise.

::

    S, W  -->  plan A  -->  S'  -->  judge: stop?  --yes-->  restore the best round, end
    ^                                   | no
    +---- params.yaml patched  <--------+   (journaled first, with the reason)

Every round is saved (`rounds.py`), recorded on its MLflow run and saved as a DVC experiment. A kill
at any time loses at most the round in progress: the journal is written before the patch, and a
patch that was journaled but not applied is applied when the loop starts again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from statewright.configuration import read_configuration
from statewright.contracts import Patch
from statewright.loop import rounds
from statewright.loop.approval import Ask
from statewright.loop.feedback import (
    apply_pending_patch,
    apply_round,
    describe_patch,
    feedback_stage,
    journal_path,
    journal_round,
    proposed_patch,
    read_feedback,
)
from statewright.loop.judge import (
    Round,
    StopConditions,
    Verdict,
    best_round,
    gain,
    judge,
)
from statewright.loop.restore import restore_round
from statewright.loop.snapshot import current_files, save_current_state, save_round
from statewright.planning.holdout import require_unread
from statewright.planning.metric_names import find_metric, unknown_metric
from statewright.planning.plan import RESTORE, SKIP, decide
from statewright.reads.store import load_reads
from statewright.repository.declaration import open_repository
from statewright.request import as_request
from statewright.running.launcher import open_launcher
from statewright.running.recorder import Recorder
from statewright.running.servers import hold_server
from statewright.session import Session, carry_out, exclusive_run, open_session, show_results, with_settings
from statewright.terminal.plan_table import print_short_plan
from statewright.terminal.words import clock, terminal
from statewright.workflow import Stage
from statewright.workspace import WORKING_LOCK, control_folder


@dataclass
class _Loop:
    """State that the rounds of one loop share.

    Parameters
    ----------
    began : float
        Start of the loop, on the monotonic clock.
    since : float
        Start of the last round, in seconds of the epoch.
    patches : list
        For each round the patch that led to it.
    warnings : set of str
        Warnings that were printed.
    """

    root: Path
    target: str | None
    stops: StopConditions
    workers: int | str | None
    ask: Ask | None
    console: Console
    began: float = field(default_factory=time.monotonic)
    since: float = 0.0
    history: list[Round] = field(default_factory=list)
    patches: list[Sequence[Patch]] = field(default_factory=lambda: [()])
    warnings: set[str] = field(default_factory=set)
    stack: ExitStack = field(default_factory=ExitStack)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn_once(self, text: str) -> None:
        if text not in self.warnings:
            self.console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
        self.warnings.add(text)


def loop(
    directory: Path,
    target: str | None = None,
    *,
    stops: StopConditions,
    workers: int | str | None,
    ask: Ask | None = None,
) -> int:
    """Run rounds until a stop condition holds, then restore the best round.

    Parameters
    ----------
    target : str or None
        The feedback stage; None for the one whose `meta:` names a journal.
    stops : StopConditions
        Stop conditions; the last part of a metric's name is enough for the target.
    ask : callable or None
        Called before each patch; the answer no ends the loop.

    Returns
    -------
    int
        0 after a stop condition, 1 if a stage failed.
    """
    console = terminal()
    root = open_repository(directory).root
    work = _Loop(root, target, stops, workers, ask, console)
    with exclusive_run(root, console), work.stack:
        session = _look(work)
        message = apply_pending_patch(root, feedback_stage(session.workflow, target), session.state)
        if message:
            work.say(message)
        return _run_rounds(work)


def _run_rounds(work: _Loop) -> int:
    while True:
        result = _run_round(work)
        if result is None:
            return _report_failure(work)
        done, session, stage = result
        work.history.append(done)
        verdict = judge(work.history, work.stops)
        work.say(f"round {done.number}: score {done.score:.6g}{_gain_text(work)}; {verdict.reason}")
        recorder = Recorder(work.root)
        unsaved = save_round(work.root, done, session, recorder, work.since)
        if problem := recorder.close()[1]:
            work.warn_once(f"MLflow record is incomplete: {problem}")
        if unsaved:
            work.warn_once(f"rounds are not saved as DVC experiments: {unsaved}")
        patch = [] if verdict.stop else proposed_patch(work.root, stage, done)
        change = describe_patch(patch)
        if patch and work.ask and not work.ask(f"{done.reason}\nchange {change} and continue?"):
            verdict = Verdict(True, f"the change {change} was rejected")
            work.say(verdict.reason)
        if verdict.stop:
            return _end(work, stage, verdict)
        work.say(f"next: {change}")
        work.patches.append(patch)
        apply_round(work.root, stage, done, patch)


def _run_round(work: _Loop) -> tuple[Round, Session, Stage] | None:
    """Decide, transition and read the feedback; return None if a stage failed."""
    session = _look(work)
    stage = feedback_stage(session.workflow, work.target)
    seconds = {a: decision.seconds for a, decision in session.plan.decisions.items() if decision.seconds}
    plan = decide(session.workflow, session.state, _required_stages(work, session, stage), seconds=seconds)
    session = replace(session, plan=plan)
    number = _number(session, stage)
    title = f"round {number} ({len(work.history) + 1} of {work.stops.rounds})"
    work.console.print(Rule(title, align="left"), width=min(work.console.width, 100))
    started, work.since = time.monotonic(), time.time()
    if session.plan.work:
        print_short_plan(session.plan, work.console)
        _hold_server(work)
        if carry_out(session, workers=work.workers, name="loop", console=work.console):
            return None
    after = _look(work)
    _required_stages(work, after, stage, ran=True)
    feedback = read_feedback(work.root, stage)
    done = Round(
        number=number,
        before=session.state.digest,
        after=after.state.digest,
        score=feedback.score,
        reason=feedback.reason,
        stop=feedback.stop,
        patch=tuple(feedback.patch),
        plan={address: decision.verdict for address, decision in session.plan.decisions.items()},
        metrics=after.state.metrics,
        seconds=time.monotonic() - started,
        elapsed_s=time.monotonic() - work.began,
    )
    return done, after, stage


def _hold_server(work: _Loop) -> None:
    """Start one Prefect server for all rounds, so that no transition starts its own."""
    if read_configuration(work.root).prefect != "always":
        return
    control = control_folder(work.root / ".statewright")
    commands = work.stack.enter_context(open_launcher(lock=control / WORKING_LOCK))
    work.stack.enter_context(hold_server(commands, control / "logs" / "prefect-server.log"))


def _number(session: Session, stage: Stage) -> int:
    """Return the number of the next round; a state that is saved keeps its number."""
    root = session.repository.root
    verdicts = {decision.verdict for decision in session.plan.decisions.values()}
    saved = rounds.find_number(root, current_files(session)) if verdicts <= {SKIP, RESTORE} else None
    return saved or rounds.next_number(root, rounds.read_journal(journal_path(root, stage)))


def _look(work: _Loop) -> Session:
    # DVC's objects form cycles: without this, each round leaves its databases open for long.
    gc.collect()
    request = as_request([work.target] if work.target else [])
    return open_session(work.root, with_settings(request, work.root))


def _required_stages(work: _Loop, session: Session, stage: Stage, *, ran: bool = False) -> list[str]:
    """Resolve the name of the target's metric and return the stages of a round.

    Raises
    ------
    WorkflowError
        If several metrics have the name, or none has although all metric files exist; or if a stage
        reads a holdout, by `dvc.yaml` or as it was observed.
    """
    target, metrics = work.stops.target, session.state.metrics
    reads = load_reads(work.root).known(session.workflow)
    require_unread(session.workflow, [stage.address], reads)
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
        ends = [stage.address, makers[name.rpartition(":")[0]]]
        require_unread(session.workflow, ends, reads)
        return ends
    if ran or all((work.root / path).is_file() for path in makers):
        raise unknown_metric(target.metric, metrics)
    return [stage.address, *makers.values()]


def _report_failure(work: _Loop) -> int:
    if work.history:
        best = best_round(work.history)
        work.say(f"`statewright run --at {best.number}` restores the best round (score {best.score:.6g})")
        _print_table(work)
    return 1


def _gain_text(work: _Loop) -> str:
    value = gain(work.history)
    if value is None:
        return ""
    return f", a gain of {value:.6g}" if value > 0 else ", no gain"


def _end(work: _Loop, stage: Stage, verdict: Verdict) -> int:
    """Restore the best round, unless the last round met the target.

    The journal is not restored: it keeps all rounds for the feedback stage, which therefore runs
    once more.
    """
    best, last, status = best_round(work.history), work.history[-1], 0
    if best.score < last.score and not verdict.met:
        work.say(f"back to round {best.number}, the best (score {best.score:.6g})")
        save_current_state(open_session(work.root, []))
        saved = rounds.find_round(work.root, best.number)
        path = journal_path(work.root, stage)
        params = (work.root / "params.yaml").read_text(encoding="utf-8")
        patch = rounds.patch_between(params, saved.files.get("params.yaml"))
        journal_round(path, last, patch, f"{verdict.reason} (back to round {best.number}, the best)")
        files = {name: text for name, text in saved.files.items() if work.root / name != path}
        status = restore_round(work.root, saved, files, work.console, workers=work.workers)
    _print_table(work)
    if not status:
        show_results(open_session(work.root, [stage.address]))
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
        score, took = f"{done.score:.6g}", clock(done.seconds)
        table.add_row(str(done.number), score, describe_patch(patch), took, words)
    work.console.print(table)
