"""The study: the trials of a search, and the journal that keeps them.

The journal `.statewright/tune/NAME.jsonl` has one JSON object a line, each written with one `fsync`::

    {"event": "study", ...}       the search: target, metric, space, sampler, budget
    {"event": "asked", ...}       a trial that starts
    {"event": "trial", ...}       the same trial, finished
    {"event": "resolved", ...}    the whole name of the metric
    {"event": "resumed", ...}     new limits

A kill at any time loses at most the last, incomplete line. A trial that was asked and has not finished
starts again; see `in_flight`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from statewright.search.space import Choice, Float, Integer

DONE, FAILED, PRUNED, REPEATED = "done", "failed", "pruned", "repeated"
"""Status of a trial. A repeated trial was answered from the journal: its params were tried before."""
DEFAULT, SEARCH, AGAIN = "default", "search", "again"
"""Kind of a trial: params as they stand, proposed by the sampler, or the best ones with another seed."""
MINIMUM, MAXIMUM = "min", "max"
AGAIN_RUNS = 3
"""Number of runs with other seeds whose mean counts."""


@dataclass(frozen=True)
class Trial:
    """One evaluation of the metric.

    Parameters
    ----------
    number : int
        0 is the trial of the defaults.
    config : dict
        Value of each param of the space, as in ``{"train.lr": 0.01}``.
    kind : str
        ``default``, ``search`` or ``again``.
    status : str
        ``done``, ``failed``, ``pruned`` or ``repeated``.
    value : float or None
        The metric; None if there is none. Of a pruned trial it is the last intermediate value.
    metrics : dict of str to float
        All metrics after the trial, by ``file:key``.
    seconds : float
        Duration; 0 of a repeated trial.
    started, finished : float
        Seconds of the epoch.
    seed : int or None
        Value of the seed param; None if the study has none.
    reason : str
        Why the trial failed, was pruned or was not run.
    experiment : str or None
        Name of the DVC experiment.
    """

    number: int
    config: dict[str, Any]
    kind: str
    status: str
    value: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    seed: int | None = None
    reason: str = ""
    experiment: str | None = None


@dataclass(frozen=True)
class Candidate:
    """Params with every value that was measured for them.

    Parameters
    ----------
    number : int
        The first trial of these params.
    values : tuple of float
        Values that count: of the trials with other seeds if there are any, else of the first trial.
    """

    number: int
    config: dict[str, Any]
    values: tuple[float, ...]
    metrics: dict[str, float]

    @property
    def value(self) -> float:
        """Mean of the values."""
        return fmean(self.values)

    @property
    def is_single_run(self) -> bool:
        """True if the value is that of one run."""
        return len(self.values) == 1


@dataclass(frozen=True)
class Study:
    """A search with its trials, in the order in which they finished.

    Parameters
    ----------
    target : str
        Address of the stage that is run.
    metric : str
        The metric as ``file:key``.
    direction : str
        ``min`` or ``max``.
    space : dict
        Param -> `Float`, `Integer` or `Choice`.
    budget : int
        Maximum number of trials, all kinds and repeated ones included.
    seed_param : str or None
        Param that holds the seed of the pipeline, if it is known.
    patience : int or None
        Number of trials without a better value after which the study ends.
    stop_at : float or None
        Value that ends the study when the best reaches it.
    sources : dict of str to str
        What the result depends on beside the space: name -> digest. A study with other sources cannot be
        resumed.
    """

    name: str
    target: str
    metric: str
    direction: str
    space: Mapping[str, Float | Integer | Choice]
    sampler: str
    budget: int
    seed: int
    trials: tuple[Trial, ...] = ()
    seed_param: str | None = None
    patience: int | None = None
    stop_at: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def sign(self) -> float:
        """1 or -1: the factor that makes a lower value the better one."""
        return 1.0 if self.direction == MINIMUM else -1.0

    @property
    def evaluations(self) -> int:
        """Number of trials that ran."""
        return sum(trial.status != REPEATED for trial in self.trials)

    @property
    def repeated(self) -> int:
        """Number of trials that were answered from the journal."""
        return len(self.trials) - self.evaluations

    @property
    def default(self) -> Candidate | None:
        """The params as they stand; None if their trial failed or has not finished."""
        first = next((trial for trial in self.trials if trial.kind == DEFAULT), None)
        return self.candidates.get(config_key(first.config)) if first else None

    @property
    def is_noisy(self) -> bool:
        """True unless other seeds are known to give the value of the defaults."""
        if self.seed_param is None:
            return False
        first = next((trial for trial in self._finished if trial.kind == DEFAULT), None)
        again = [trial for trial in self._finished if first and _repeats(trial, first)]
        return first is None or len(again) < AGAIN_RUNS or any(t.value != first.value for t in again)

    @property
    def best(self) -> Candidate | None:
        """The params with the best value; the first of several.

        In a study with a seed param, only params with `AGAIN_RUNS` runs with other seeds count, or those
        with the most such runs, by the mean of these runs: the lucky draw that made them the best is left
        out.
        """
        again = Counter(
            config_key(trial.config) for trial in self._finished if trial.kind == AGAIN and self.is_noisy
        )
        most = min(AGAIN_RUNS, max(again.values(), default=0))
        candidates = [item for item in self.candidates.values() if again[config_key(item.config)] >= most]
        return min(candidates, key=lambda item: (self.sign * item.value, item.number), default=None)

    @property
    def candidates(self) -> dict[str, Candidate]:
        """Params by `config_key`, of the trials that are done."""
        groups: dict[str, list[Trial]] = {}
        for trial in self._finished:
            groups.setdefault(config_key(trial.config), []).append(trial)
        return {key: _candidate(trials) for key, trials in groups.items()}

    @property
    def _finished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status == DONE and trial.value is not None]


def _repeats(trial: Trial, first: Trial) -> bool:
    return trial.kind == AGAIN and config_key(trial.config) == config_key(first.config)


def _candidate(trials: list[Trial]) -> Candidate:
    first = trials[0]
    fresh = [trial for trial in trials if trial.kind == AGAIN]
    values = tuple(float(trial.value) for trial in fresh or trials[:1] if trial.value is not None)
    return Candidate(first.number, first.config, values, first.metrics)


def config_key(config: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal params."""
    return json.dumps(config, sort_keys=True, default=str)


def study_path(root: Path, name: str) -> Path:
    """Return the path of the journal of a study."""
    return root / ".statewright" / "tune" / f"{name}.jsonl"


def study_names(root: Path) -> list[str]:
    """Return the names of the studies of a repository, the newest first."""
    paths = (root / ".statewright" / "tune").glob("*.jsonl")
    return [path.stem for path in sorted(paths, key=lambda path: -path.stat().st_mtime)]


def read_study(root: Path, name: str) -> Study:
    """Read a study from its journal.

    Raises
    ------
    WorkflowError
        If there is none; the message lists the studies.
    """
    events = _events(study_path(root, name))
    if not events:
        names = study_names(root)
        there = f"there are {', '.join(names)}" if names else "`statewright tune` makes one"
        raise WorkflowError(f"no study '{name}' in {root / '.statewright' / 'tune'}; {there}")
    return _study(events)


def _study(events: Iterable[Mapping[str, Any]]) -> Study:
    study: Study | None = None
    for event in events:
        kind, values = event["event"], {key: value for key, value in event.items() if key != "event"}
        if kind == "study":
            study = Study(**{**values, "space": _space(values["space"]), "trials": ()})
        elif study and kind == "trial":
            study = replace(study, trials=(*study.trials, Trial(**values)))
        elif study and kind in ("resumed", "resolved"):
            study = replace(study, **values)
    assert study is not None
    return study


def in_flight(root: Path, name: str) -> list[Trial]:
    """Return the trials that started and have not finished."""
    asked: dict[int, Trial] = {}
    for event in _events(study_path(root, name)):
        values = {key: value for key, value in event.items() if key != "event"}
        if event["event"] == "asked":
            asked[values["number"]] = Trial(**values, status="")
        elif event["event"] == "trial":
            asked.pop(values["number"], None)
    return list(asked.values())


def _events(path: Path) -> list[dict[str, Any]]:
    """Return the events of the complete lines; a kill may have cut the last."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise WorkflowError(f"{path}: not a journal of a study: {error}; move it away") from error


def _space(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Float | Integer | Choice]:
    from statewright.search.space import Choice, Float, Integer

    kinds = {"float": Float, "integer": Integer, "choice": Choice}
    return {
        name: kinds[entry["type"]](**{key: _value(value) for key, value in entry.items() if key != "type"})
        for name, entry in entries.items()
    }


def _value(value: Any) -> Any:
    """Return a JSON value as a space holds it: its lists are tuples."""
    return tuple(value) if isinstance(value, list) else value
