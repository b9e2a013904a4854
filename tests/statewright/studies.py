"""A pipeline to tune, and workers that run no process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from toys import commit, make_repository

from statewright.tuning import driver
from statewright.tuning.checkout import Checkout
from statewright.tuning.setup import Search
from statewright.tuning.study import Study, Trial
from statewright.tuning.trial import DONE, FAILED, READY, Job, Outcome, Task

PARAMS = """\
# Parameters of the search.
prep:
  rows: 3
train:
  x: 5.0        # position
  k: 2
  model: ridge  # or forest
seed: 1
"""
SPACE = """\
train.x: {low: 0.0, high: 10.0}
train.k: {low: 1, high: 8}
train.model: [ridge, forest]
"""
FILES = {
    ".gitignore": "rows.txt\nscore.json\n.env\n",
    "params.yaml": PARAMS,
    "space.yaml": SPACE,
    "raw.txt": "1 2 3\n",
    "dvc.yaml": """
        stages:
          prep:
            cmd: python prep.py
            deps: [prep.py, raw.txt]
            params: [prep.rows]
            outs: [rows.txt]
          train:
            cmd: python train.py
            deps: [train.py, rows.txt]
            params: [train, seed]
            metrics: [score.json]
        """,
    "prep.py": """
        import os
        open(os.environ.get("RAN", "/dev/null"), "a").write("prep\\n")
        open("rows.txt", "w").write(open("raw.txt").read())
        """,
    "train.py": """
        import json, os, re, time
        open(os.environ.get("RAN", "/dev/null"), "a").write("train\\n")
        text = open("params.yaml").read()
        x, k = (float(re.search(name + r": (\\S+)", text)[1]) for name in ("x", "k"))
        model = re.search(r"model: (\\S+)", text)[1]
        time.sleep(float(os.environ.get("SLOW", "0")))
        loss = (x - 3) ** 2 + abs(k - 4) + (model == "ridge") + len(open("rows.txt").read().split())
        json.dump({"val": {"loss": loss}, "test_loss": 2 * loss}, open("score.json", "w"))
        """,
}
METRIC = "score.json:val.loss"


def loss_of(params: Mapping[str, Any]) -> float:
    """Return the metric that `train.py` writes."""
    x, k, model = (params[f"train.{name}"] for name in ("x", "k", "model"))
    return float((x - 3) ** 2 + abs(k - 4) + (model == "ridge") + 3)


def make_toy(root: Path, files: Mapping[str, str] | None = None) -> Path:
    """Create the pipeline, committed."""
    make_repository(root, {**FILES, **(files or {})})
    commit(root)
    return root


class Killed(BaseException):
    """The end of the process, as far as a test without processes can tell."""


class FakePool:
    """Workers that answer at once, in the order of their numbers.

    Parameters
    ----------
    evaluate : callable
        Returns the metrics of a job, the reason of a failure, or a whole outcome.
    """

    def __init__(self, evaluate: Callable[[Job], Mapping[str, float] | str | Outcome]) -> None:
        self.evaluate = evaluate
        self.workers: list[Any] = []
        self.answers: list[Outcome] = []
        self.most = 0

    def start(self, task: Task, log: Path) -> None:
        """Add a worker, which is ready."""
        self.workers.append(FakeWorker(task))
        self.answers.append(Outcome(READY, DONE, sources={}))

    def idle(self) -> list[Any]:
        """Return the workers that wait."""
        return [worker for worker in self.workers if worker.job is None]

    def running(self) -> dict[int, Any]:
        """Return the workers with a trial."""
        return {worker.job: worker for worker in self.workers if worker.job is not None}

    def send(self, worker: Any, job: Job) -> None:
        """Evaluate a job; the answer waits for `outcomes`."""
        worker.job = worker.last = job.number
        self.most = max(self.most, len(self.running()))
        result = self.evaluate(job)
        if isinstance(result, Outcome):
            self.answers.append(result)
        elif isinstance(result, str):
            self.answers.append(Outcome(job.number, FAILED, reason=result))
        else:
            self.answers.append(Outcome(job.number, DONE, metrics=dict(result)))

    def outcomes(self, timeout_s: float) -> Iterator[Outcome]:
        """Yield one answer."""
        outcome = self.answers.pop(0)
        for worker in self.workers:
            if worker.job == outcome.number:
                worker.job = None
        yield outcome

    def close(self) -> None:
        """Do nothing."""


class FakeWorker:
    """One worker of `FakePool`."""

    def __init__(self, task: Task) -> None:
        self.task, self.job, self.last, self.root = task, None, None, Path(task.root)


def params_of(job: Job) -> dict[str, Any]:
    """Return the params that a job sets."""
    return {key: value for changes in job.changes.values() for key, value in changes}


def tune_here(
    root: Path,
    evaluate: Callable[[dict[str, Any]], float | str | Outcome] = loss_of,
    **options: Any,
) -> tuple[int, FakePool]:
    """Run a study in this process; a trial is a call of `evaluate` with its params."""

    def answer(job: Job) -> Mapping[str, float] | str | Outcome:
        result = evaluate(params_of(job))
        return result if isinstance(result, str | Outcome) else {METRIC: result}

    pools: list[FakePool] = []

    def pool() -> FakePool:
        pools.append(FakePool(answer))
        return pools[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "Pool", pool)
        patch.setattr(driver, "make_checkout", lambda session, folder: Checkout(folder, ()))
        patch.setattr(driver, "changed_sources", lambda before, now: [])
        given = {"target": "train", "metric": "loss", "space": root / "space.yaml", "sampler": "random"}
        search = Search(**{**({} if options.get("resume") else given), **options})
        status = driver.tune(root, search)
    return status, pools[-1] if pools else FakePool(answer)


def events_of(root: Path, name: str = "train") -> list[dict[str, Any]]:
    """Return the events of a journal."""
    lines = (root / ".statewright" / "tune" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def study_of(*trials: Trial, direction: str = "min", budget: int = 50, **more: Any) -> Study:
    """Return a study with trials and a space of one float."""
    from statewright.search.space import Float

    return Study(
        "s", "train", METRIC, direction, {"x": Float(0, 1)}, "random", budget, 0, tuple(trials), **more
    )
