"""The search of the feedback stage, on a loss that is known."""

import math

import pytest
from shipped import shipped_params

from tasks.emotion.evaluate import EvaluateMetrics, TaskScore
from tasks.emotion.feedback import MOVES, current, feedback
from tasks.emotion.params import FeedbackParams, FusionParams, TrainParams
from tasks.rounds import Journal

SCORE = TaskScore(
    targets=1, skill=0, skill_over_best_baseline=0, beats=0, beats_surely=0, dimensions=1,
    rmse={}, best_baseline_rmse={},
)  # fmt: skip


def metrics(loss: float, test_score: float = 0.0) -> EvaluateMetrics:
    return EvaluateMetrics(
        score=test_score,
        validation_loss=loss,
        audio=SCORE,
        lyrics=SCORE,
        coverage_90={},
        coverage_90_fixed={},
    )


def simulate(loss, rounds: int = 60, params: FeedbackParams | None = None, test_score: float = 0.0):
    """Simulate the loop; return the states with their loss, and the last decision."""
    params = params or shipped_params(FeedbackParams, "emotion.feedback", patience=50)
    train, fusion, journal, seen = (
        shipped_params(TrainParams, "emotion.train"),
        shipped_params(FusionParams, "emotion.fusion"),
        [],
        [],
    )
    for number in range(rounds):
        state = current(train, fusion)
        seen.append((state, loss(state)))
        said = feedback(
            metrics(loss(state), test_score), Journal(journal), params=params, train=train, fusion=fusion
        )
        if said.stop:
            break
        entry = {"round": number + 1, "time": "", "reason": said.reason, "score": said.score}
        journal.append({**entry, "patch": [patch.model_dump() for patch in said.patch], "state": "x"})
        blocks = {"train": train.model_dump(), "fusion": fusion.model_dump()}
        for patch in said.patch:
            _, block, name = patch.key.split(".")
            assert blocks[block][name] == patch.was
            blocks[block][name] = patch.now
        train, fusion = TrainParams(**blocks["train"]), FusionParams(**blocks["fusion"])
    return seen, said


def bowl(state) -> float:
    """Return a loss with its minimum at lr 0.008 and ridge 240."""
    lr, ridge = state["emotion.train.lr"], state["emotion.train.ridge"]
    return math.log2(lr / 0.008) ** 2 + math.log2(ridge / 240) ** 2


def test_it_finds_the_lowest_point_of_a_known_loss_and_ends_there():
    seen, said = simulate(bowl)
    assert said.stop
    assert seen[-1][1] == 0
    assert seen[-1][0]["emotion.train.lr"] == pytest.approx(0.008)


def test_it_tries_no_state_twice_except_the_best_at_the_end():
    seen, _ = simulate(bowl)
    states = [tuple(state.values()) for state, _ in seen]
    assert len(set(states[:-1])) == len(states) - 1
    assert len(states) > 2 * len(MOVES)


def test_a_move_without_a_gain_is_reverted():
    start = current(
        shipped_params(TrainParams, "emotion.train"), shipped_params(FusionParams, "emotion.fusion")
    )
    seen, said = simulate(lambda state: float(sum(state[key] != start[key] for key in start)))
    assert said.stop
    assert seen[-1][0] == start
    assert all(loss <= 1 for _, loss in seen)


def test_it_stops_after_rounds_without_a_gain():
    seen, said = simulate(
        lambda state: 1.0, params=shipped_params(FeedbackParams, "emotion.feedback", patience=3)
    )
    # The start, three trials, and the return to the best state.
    assert len(seen) == 5
    assert said.stop and "No gain in 4 rounds" in said.reason


def test_every_state_keeps_its_bounds():
    seen, _ = simulate(lambda state: -state["emotion.train.lr"] * state["emotion.train.width"], rounds=200)
    for state, _ in seen:
        for move in MOVES:
            assert move.low <= state[move.key] <= move.high
            assert not move.whole or isinstance(state[move.key], int)
    assert seen[-1][0]["emotion.train.width"] == 64


def test_the_test_years_have_no_effect():
    a, b = (simulate(bowl, rounds=12, test_score=value) for value in (-5.0, 5.0))
    assert a == b


def test_a_manual_change_restarts_the_search():
    patch = {"key": "emotion.train.lr", "was": 0.002, "now": 0.004}
    old = [{"round": 1, "time": "", "patch": [patch], "reason": "", "score": 0.5}]
    by_hand = shipped_params(TrainParams, "emotion.train", lr=0.003)
    said = feedback(
        metrics(0.9),
        Journal(old),
        params=shipped_params(FeedbackParams, "emotion.feedback"),
        train=by_hand,
        fusion=shipped_params(FusionParams, "emotion.fusion"),
    )
    assert "at the start" in said.reason
    assert all(part.key != "emotion.train.lr" or part.was == 0.003 for part in said.patch)
