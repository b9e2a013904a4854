"""Record a study: its trials in MLflow and as DVC experiments, and its page.

A trial is sent to the journal of the recorder, a process of its own, so no trial waits for MLflow. The
experiment of a trial is the commit that its scratch checkout would have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from statewright.masking import mask_value
from statewright.planning.pipelines import REPOSITORY, pipelines
from statewright.record.experiment import experiment_name
from statewright.record.studies import StudyRecord, TrialRecord
from statewright.repository.declaration import Repository, declare, open_repository
from statewright.repository.experiments import record_files, save_experiment_of_copy
from statewright.repository.scope import targets
from statewright.running.recorder import Recorder
from statewright.tuning.page.page import write_page
from statewright.tuning.study import DONE, Study, Trial, in_flight
from statewright.workflow import Workflow


@dataclass
class Recording:
    """The record of one session of a study; its methods are hooks of the driver.

    Parameters
    ----------
    experiments : bool
        Whether each trial becomes a DVC experiment.
    """

    experiments: bool = True
    _recorder: Recorder | None = None
    _key: str = ""
    _files: list[str] = field(default_factory=list)
    _unsaved: str | None = None
    _experiment: str = ""

    def begun(self, root: Path, study: Study) -> None:
        """Note the files of an experiment; send earlier trials again."""
        repository = open_repository(root)
        workflow = declare(repository)
        names = {pipelines(workflow)[address] for address in targets(repository, [study.target])}
        self._experiment = experiment_name(root, names.pop() if len(names) == 1 else REPOSITORY)
        if self.experiments:
            self._files = _files_to_save(repository, workflow)
        self._recorder = Recorder(root)
        for trial in study.trials:
            self._send(root, study, trial)

    def finished(self, root: Path, study: Study, trial: Trial, checkout: Path) -> Trial:
        """Record a trial, and return it with the name of its experiment."""
        if self.experiments and trial.status == DONE:
            name = f"{study.name}-{trial.number}"
            message = f"trial {trial.number} of study {study.name}: {study.metric} {trial.value:.6g}"
            unsaved = save_experiment_of_copy(root, checkout, name, message, self._files)
            self._unsaved = self._unsaved or unsaved
            trial = replace(trial, experiment=None if unsaved else name)
        self._send(root, study, trial)
        return trial

    def ended(self, root: Path, study: Study) -> list[str]:
        """Write the page, close the record and return lines about both."""
        written = write_page(root, study)
        lines = [*self._close(root, study, [written.page, *written.plots])]
        saved = [trial.experiment for trial in study.trials if trial.experiment]
        if self._unsaved:
            lines.append(f"some trials have no DVC experiment: {self._unsaved}")
        if saved:
            best = next(
                (t.experiment for t in study.trials if study.best and t.number == study.best.number), None
            )
            lines.append(f"experiments: `dvc exp show`; `dvc exp apply {best or saved[-1]}` restores one")
        return [*lines, f"page: {written.page.relative_to(root)}"]

    def _close(self, root: Path, study: Study, files: list[Path]) -> Iterator[str]:
        if self._recorder is None:  # no trial ran
            return
        for trial in study.trials:  # those that were answered from the journal too
            self._send(root, study, trial)
        if self._key:
            best = study.best
            tags = {"statewright.best": str(best.number)} if best else {}
            self._recorder.end_study(_summary(study), tags, files)
        _, problem = self._recorder.close()
        if problem:
            yield f"MLflow record is incomplete: {problem}"

    def _send(self, root: Path, study: Study, trial: Trial) -> None:
        assert self._recorder is not None
        if not self._key:
            # Unique for studies of one name, and the same when the study resumes.
            trials = [*study.trials, *in_flight(root, study.name), trial]
            started = min(trials, key=lambda trial: trial.number).started
            self._key = f"{study.name}-{round(1000 * started)}"
            record = StudyRecord(self._key, study.name, _params_of_study(study), started)
            self._recorder.study(record, experiment=self._experiment)
        self._recorder.trial(self._key, _trial_record(trial))


def _files_to_save(repository: Repository, workflow: Workflow) -> list[str]:
    """Return lock files, declarations and uncached outputs, relative to the root."""
    records = [os.path.relpath(path, repository.root) for path in record_files(repository)]
    declared = [f"{path.removesuffix('.lock')}.yaml" for path in records if path.endswith("dvc.lock")]
    outs = [out.path for stage in workflow.stages.values() for out in stage.outs if not out.cached]
    return [*records, *declared, *outs]


def _params_of_study(study: Study) -> dict[str, str]:
    names = ("target", "metric", "direction", "sampler", "budget", "seed", "seed_param")
    space = {f"space.{name}": str(entry) for name, entry in study.space.items()}
    return {**{name: str(getattr(study, name)) for name in names}, **space}


def _summary(study: Study) -> dict[str, float]:
    values = {"evaluations": float(study.evaluations), "repeated": float(study.repeated)}
    if study.best:
        values["best"] = study.best.value
    if study.default:
        values["default"] = study.default.value
    if study.best and study.default:
        values["gain"] = study.sign * (study.default.value - study.best.value)
    return values


def _trial_record(trial: Trial) -> TrialRecord:
    params = {name: mask_value(name, value) for name, value in trial.config.items()}
    if trial.seed is not None:
        params["seed"] = trial.seed
    tags = {"statewright.trial.kind": trial.kind, "statewright.reason": trial.reason}
    if trial.experiment:
        tags["statewright.experiment"] = trial.experiment
    return TrialRecord(
        number=trial.number,
        status=trial.status,
        params=params,
        value=trial.value,
        started=trial.started,
        finished=trial.finished,
        seconds=trial.seconds,
        metrics=trial.metrics,
        tags=tags,
    )
