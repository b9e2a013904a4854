"""Save the current state as a round, a DVC experiment and an MLflow run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from statewright.loop import rounds
from statewright.loop.judge import Round
from statewright.masking import mask_value
from statewright.planning.pipelines import REPOSITORY, pipelines
from statewright.planning.plan import SKIP, decide
from statewright.record.experiment import experiment_name
from statewright.repository.experiments import record_files, save_experiment
from statewright.running.recorder import Recorder
from statewright.session import Session


def save_round(root: Path, done: Round, session: Session, recorder: Recorder, since: float) -> str | None:
    """Save a round that began at `since` (seconds of the epoch).

    Returns
    -------
    str or None
        The reason why there is no experiment, or None if there is one.
    """
    files = current_files(session)
    settled = up_to_date_stages(session)
    patch = [change.model_dump() for change in done.patch]
    saved = rounds.SavedRound(
        done.number, rounds.now(), done.after, files, settled, done.score, done.reason, patch
    )
    rounds.write_round(root, saved)
    name = f"round-{done.number}-{done.after[:7]}"
    declared = [f"{file.removesuffix('.lock')}.yaml" for file in files if file.endswith("dvc.lock")]
    metrics = [out.path for stage in session.workflow.stages.values() for out in stage.outs if not out.cached]
    message = f"round {done.number}: score {done.score:.6g}: {done.reason}"
    unsaved = save_experiment(root, name, message, [*files, *declared, *metrics])
    tags = {
        "statewright.round": str(done.number),
        "statewright.round.reason": done.reason,
        "statewright.round.patch": json.dumps(_mask_patch(patch)),
        "statewright.round.experiment": "" if unsaved else name,
        "statewright.state.before": done.before,
        "statewright.state.after": done.after,
    }
    feedback = [a for a in done.plan if session.workflow.stages[a].settings.journal]
    names = {pipelines(session.workflow)[address] for address in feedback}
    experiment = experiment_name(root, names.pop() if len(names) == 1 else REPOSITORY)
    recorder.round((since, time.time()), tags, done.plan, {"round.score": done.score}, experiment=experiment)
    return unsaved


def _mask_patch(patch: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the changes of a patch without secrets."""
    return [
        {**change, **{name: mask_value(change["key"], change[name]) for name in ("was", "now")}}
        for change in patch
    ]


def current_files(session: Session) -> rounds.Files:
    """Return the files of the current state."""
    stages, repository = session.workflow.stages.values(), session.repository
    journals = [stage.settings.journal for stage in stages if stage.settings.journal]
    return rounds.state_files(repository.root, session.workflow, journals, record_files(repository))


def up_to_date_stages(session: Session) -> tuple[str, ...]:
    """Return the addresses of the stages that are up to date."""
    plan = decide(session.workflow, session.state)
    return tuple(address for address, decision in plan.decisions.items() if decision.verdict == SKIP)


def save_current_state(session: Session) -> int:
    """Save the current state as a round, unless it is one, and return its number."""
    root, files = session.repository.root, current_files(session)
    number = rounds.find_number(root, files)
    if number:
        return number
    number = rounds.next_number(root, [])
    settled = up_to_date_stages(session)
    rounds.write_round(root, rounds.SavedRound(number, rounds.now(), session.state.digest, files, settled))
    return number
