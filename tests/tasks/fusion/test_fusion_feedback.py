"""Feedback of the fusion: moves with a reason, reverted without a gain."""

from __future__ import annotations

from typing import Any

import pytest

from statewright.contracts import Feedback
from tasks.fusion.contracts.fuse import ChoiceMetrics, Evaluation
from tasks.fusion.feedback import FOLDS, LANDMARKS, WITHOUT, current, feedback
from tasks.fusion.params import FeedbackParams, FuseParams
from tasks.rounds import Journal, difference

ROWS = 2000


def fuse_params(**changes: Any) -> FuseParams:
    values = {"operators": ("early",), "without": (), "landmarks": 600, "folds": 5, "most_rows": 3000}
    return FuseParams(**({"processes": 1, "seed": 0} | values | changes))


def interval(mean: float, half: float = 0.01) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def evaluated(score: float, drops: dict[str, float], chosen: str = "early") -> Evaluation:
    return Evaluation.model_validate(
        {
            "chosen": chosen, "resplits": 20, "rows": ROWS, "scores": {chosen: score}, "gains": {},
            "best_single": "a", "helps": "yes", "alpha": 0.1,
            "modalities": {
                name: {"importance": None, "permuted": interval(drop), "absent": drop, "absent_early": None,
                       "alone": 0.5}
                for name, drop in drops.items()
            },
            "reliability": {"raw": None, "calibrated": None, "temperature": 1.0, "radius": None,
                            "coverage": 0.9, "size": None},
        }
    )  # fmt: skip


def chosen_by(picks: list[str]) -> ChoiceMetrics:
    return ChoiceMetrics(
        chosen=picks[0], weights={picks[0]: 1.0}, without=[], landmarks=600, rows=ROWS, folds=5,
        order=["early"], means={}, scores={}, picked=picks, score=0.9, regret=0.0, fold_regret=[],
    )  # fmt: skip


def propose(
    evaluate: Evaluation,
    picks: list[str],
    rounds: list[dict[str, Any]] | None = None,
    **fuse: Any,
) -> Feedback:
    params = FeedbackParams(patience=3, least_gain=0.001)
    return feedback(
        evaluate, chosen_by(picks), Journal(rounds or []), params=params, fuse=fuse_params(**fuse)
    )


def test_a_modality_that_surely_costs_is_left_out_first() -> None:
    said = propose(evaluated(0.9, {"a": 0.2, "b": -0.03, "c": -0.05}), ["early", "boosting"])
    assert [(patch.key, patch.was, patch.now) for patch in said.patch] == [(WITHOUT, [], ["c"])]
    assert "Leave out c: exchanging its rows raises the score by 5.0 points, by 4.0 or more" in said.reason
    assert said.score == pytest.approx(0.1)


def test_a_modality_that_may_cost_and_one_of_two_are_kept() -> None:
    assert propose(evaluated(0.9, {"a": 0.2, "b": 0.1, "c": -0.005}), ["early"]).stop  # 0 is in the interval
    assert propose(evaluated(0.9, {"a": 0.2, "b": -0.05}), ["early"]).stop


def test_an_unsure_choice_gets_more_folds_and_experts_more_landmarks() -> None:
    unsure = propose(evaluated(0.9, {"a": 0.2}), ["early", "boosting", "early"])
    assert [(patch.key, patch.now) for patch in unsure.patch] == [(FOLDS, 10)]
    assert "the largest weight goes to early and boosting" in unsure.reason
    assert propose(evaluated(0.9, {"a": 0.2}), ["early", "boosting"], folds=10).stop
    experts = propose(evaluated(0.9, {"a": 0.2}, "late-average"), ["late-average"])
    assert [(patch.key, patch.now) for patch in experts.patch] == [(LANDMARKS, 1200)]
    # A model is trained on 1,600 of the 2,000 rows: more landmarks would be the same model.
    assert not propose(evaluated(0.9, {"a": 0.2}, "late-average"), ["late-average"], landmarks=1599).stop
    assert propose(evaluated(0.9, {"a": 0.2}, "late-average"), ["late-average"], landmarks=1600).stop


def simulate(
    score: Any, drops: Any, rounds: int = 30, each: int = 30
) -> tuple[list[tuple[FuseParams, float]], Feedback]:
    """Run the loop on a known score; return its states and last feedback.

    A command runs at most `each` rounds. If it runs out of them, it returns to its best state, and the
    journal says so.
    """
    fuse, journal, tried = fuse_params(), [], []
    for number in range(1, rounds + 1):
        tried.append((fuse, score(fuse)))
        said = propose(
            evaluated(score(fuse), drops(fuse), "late-average"), ["late-average", "early"], journal,
            **fuse.model_dump(),
        )  # fmt: skip
        if said.stop:
            return tried, said
        changes = {change.key.rpartition(".")[2]: change.now for change in said.patch}
        following = FuseParams(**(fuse.model_dump() | changes))
        patch = [change.model_dump() for change in said.patch]
        if number % each == 0:
            following = max(tried[-each:], key=lambda pair: pair[1])[0]
            patch = [change.model_dump() for change in difference(current(fuse), current(following))]
        if patch:
            journal.append(
                {"round": number, "time": "", "reason": said.reason, "score": said.score, "patch": patch}
            )
        fuse = following
    raise AssertionError("the loop did not stop")


def test_moves_without_a_gain_are_reverted_and_the_loop_ends_at_the_best_state() -> None:
    """Noise modality `n` costs; more landmarks and more folds do not help."""

    def score(fuse: FuseParams) -> float:
        return 0.9 + 0.03 * ("n" in fuse.without) - 0.01 * (fuse.landmarks > 600) - 0.005 * (fuse.folds > 5)

    def drops(fuse: FuseParams) -> dict[str, float]:
        return {name: -0.03 if name == "n" else 0.2 for name in ("a", "b", "n") if name not in fuse.without}

    tried, said = simulate(score, drops)
    best = max(tried, key=lambda pair: pair[1])
    assert tried[-1] == best
    assert best[0].without == ("n",)
    assert (best[0].landmarks, best[0].folds) == (600, 5)
    assert said.reason == "Loss on resplits 0.0700, back at the best state. No gain in 3 rounds."
    assert len({fuse.model_dump_json() for fuse, _ in tried[:-1]}) == len(tried) - 1  # no state twice


def test_gains_are_kept() -> None:
    tried, _ = simulate(lambda fuse: 0.8 + 0.1 * (fuse.landmarks / 4800), lambda _: {"a": 0.2, "b": 0.2})
    assert tried[-1][0].landmarks == 2400  # above 1,600 training rows there is no reason to double


@pytest.mark.parametrize("each", [2, 3, 4])
def test_a_loop_that_ran_out_of_rounds_resumes_and_tries_no_state_twice(each: int) -> None:
    """Only leaving out both noise modalities helps."""

    def score(fuse: FuseParams) -> float:
        return 0.9 + 0.02 * len(fuse.without) - 0.01 * (fuse.landmarks > 600) - 0.005 * (fuse.folds > 5)

    def drops(fuse: FuseParams) -> dict[str, float]:
        noise = {"n": -0.03, "m": -0.02}
        return {name: noise.get(name, 0.2) for name in ("a", "b", "n", "m") if name not in fuse.without}

    tried, _ = simulate(score, drops, each=each)
    final, best = tried[-1]
    assert best == max(value for _, value in tried)
    assert final.without == ("m", "n")
    # A state that lost is never tried again, and the two that may help are tried.
    losing = [fuse for fuse, _ in tried if fuse.landmarks > 600 or fuse.folds > 5]
    assert sorted((fuse.landmarks, fuse.folds) for fuse in losing) == [(600, 10), (1200, 5)]
