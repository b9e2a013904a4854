"""The journal of a study, and what its trials say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import study_of

from statewright.search.space import Choice, Float, Integer
from statewright.tuning.journal import Journal
from statewright.tuning.study import (
    AGAIN,
    AGAIN_RUNS,
    DEFAULT,
    DONE,
    FAILED,
    REPEATED,
    SEARCH,
    Trial,
    in_flight,
    read_study,
    study_path,
)
from statewright.workflow import WorkflowError

SPACE = {
    "lr": Float(1e-3, 1.0, log=True),
    "depth": Integer(1, 9, when={"model": ["forest", "tree"]}),
    "model": Choice(["ridge", "forest", "tree"]),
    "layers": Choice([[8, 8], [16], None, True]),
}


def trial(number: int, value: float | None, x: float = 0.5, kind: str = SEARCH, status: str = DONE) -> Trial:
    return Trial(number, {"x": x}, kind, status, value)


def test_a_journal_gives_the_study_back(tmp_path: Path) -> None:
    config = {"lr": 0.1, "model": "ridge", "layers": [8, 8]}
    trials = (
        Trial(0, config, DEFAULT, DONE, 0.25, {"m.json:loss": 0.25}, 1.5, 10.0, 11.5, 7, "", "exp-0"),
        Trial(1, {**config, "layers": None}, SEARCH, FAILED, reason="stage 'train' ended with status 3"),
    )
    study = replace(study_of(*trials), name="all", space=SPACE, sources={"train.py": "abc"}, patience=3)
    journal = Journal(tmp_path, "all")
    journal.begin(study)
    for done in trials:
        journal.ask(done)
        journal.tell(done)
    journal.resume(replace(study, budget=70, stop_at=0.1))
    journal.close()
    assert read_study(tmp_path, "all") == replace(study, budget=70, stop_at=0.1)
    assert in_flight(tmp_path, "all") == []


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_journal_that_is_cut_anywhere_has_its_complete_lines(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("cut")
    journal = Journal(root, "s")
    journal.begin(study_of())
    for number in range(4):
        journal.ask(trial(number, None, status=""))
        journal.tell(trial(number, float(number)))
    journal.close()
    path = study_path(root, "s")
    whole = path.read_bytes()
    kept = whole[: min(cut, len(whole))]
    path.write_bytes(kept)
    lines = [json.loads(line) for line in kept.decode().split("\n")[:-1]]
    if not lines:
        with pytest.raises(WorkflowError, match="no study 's'"):
            read_study(root, "s")
        return
    finished = [event["number"] for event in lines if event["event"] == "trial"]
    asked = [event["number"] for event in lines if event["event"] == "asked"]
    assert [done.number for done in read_study(root, "s").trials] == finished
    assert [started.number for started in in_flight(root, "s")] == asked[len(finished) :]
    # the next writer begins on a line of its own
    journal = Journal(root, "s")
    journal.tell(trial(9, 1.0))
    journal.close()
    assert [done.number for done in read_study(root, "s").trials] == [*finished, 9]


def test_a_missing_study_names_the_others(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"no study 'a' in .*; `statewright tune` makes one"):
        read_study(tmp_path, "a")
    journal = Journal(tmp_path, "b")
    journal.begin(study_of())
    journal.close()
    with pytest.raises(WorkflowError, match="there are b"):
        read_study(tmp_path, "a")


@pytest.mark.parametrize(("direction", "best"), [("min", 2), ("max", 1)])
def test_the_best_is_the_first_with_the_best_value(direction: str, best: int) -> None:
    study = study_of(
        trial(0, 0.5, 0.0, DEFAULT),
        trial(1, 0.9, 0.1),
        trial(2, 0.2, 0.2),
        trial(3, 0.2, 0.3),
        trial(4, 0.9, 0.4),
        trial(5, None, 0.5, status=FAILED),
        trial(6, 0.1, 0.6, status="pruned"),
        direction=direction,
    )
    assert study.best is not None and study.best.number == best
    assert study.default is not None and study.default.value == 0.5
    assert study.best.is_single_run


def test_the_best_of_a_noisy_study_is_the_mean_of_fresh_runs() -> None:
    lucky = [trial(1, 0.1, 0.1), *(trial(2 + n, value, 0.1, AGAIN) for n, value in enumerate((0.4, 0.6)))]
    steady = [trial(5, 0.2, 0.2), *(trial(6 + n, 0.3, 0.2, AGAIN) for n in range(AGAIN_RUNS))]
    single = trial(20, 0.05, 0.3)  # the luckiest of all, and never run again
    trials = (trial(0, 0.5, 0.0, DEFAULT), *lucky, *steady, single)
    study = study_of(*trials, seed_param="seed")
    assert study.best is not None
    assert (study.best.number, study.best.value) == (5, pytest.approx(0.3))
    # before any params have all their runs, those with the most count
    few = replace(study, trials=(*study.trials[:4], single)).best
    assert few is not None and few.values == (0.4, 0.6) and few.value == 0.5


def test_repeated_trials_are_counted_apart() -> None:
    study = study_of(trial(0, 1.0), trial(1, 1.0, status=REPEATED), trial(2, None, status=FAILED))
    assert (study.evaluations, study.repeated) == (2, 1)
