"""The stop rule of the loop: each condition, their order, and names of metrics."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statewright.loop.judge import (
    Round,
    StopConditions,
    Target,
    best_round,
    gain,
    judge,
    parse_target,
)
from statewright.planning.metric_names import find_metric, unknown_metric
from statewright.workflow import WorkflowError

METRICS = ("out/evaluate.json:loss.rmse", "out/evaluate.json:mae", "fit/train.json:loss.rmse", "top.json:n")


def history(*scores: float, **last: Any) -> list[Round]:
    """Return rounds with these scores, a minute each; `last` changes the last one."""
    rounds = [
        Round(number=n, before=f"s{n - 1}", after=f"s{n}", score=score, reason="try on", elapsed_s=60.0 * n)
        for n, score in enumerate(scores, start=1)
    ]
    return [*rounds[:-1], Round(**{**rounds[-1].__dict__, **last})]


def test_the_loop_continues_while_no_stop_condition_holds() -> None:
    stops = StopConditions(3, budget_s=200, patience=2, target=Target("m:x", "<=", 0))
    verdict = judge(history(3, 2, metrics={"m:x": 1}), stops)
    assert (verdict.stop, verdict.reason) == (False, "try on")


@pytest.mark.parametrize(
    ("rounds", "stops", "words"),
    [
        (history(3, stop=True, reason="good enough"), StopConditions(9), "good enough"),
        (history(3, 2, after="s1"), StopConditions(9), "in a cycle"),
        (history(3, 2), StopConditions(2), "2 rounds spent; next would have been: try on"),
        (history(3), StopConditions(1), "1 round spent; next"),
        (
            history(3, 2),
            StopConditions(9, budget_s=120),
            "the budget of 2 min is spent (2.0 min); next would",
        ),
        (history(3, 2, elapsed_s=250), StopConditions(9, budget_s=120), "(4.2 min)"),
        (
            history(3, 4, 3),
            StopConditions(9, patience=2),
            "no gain on round 1 (score 3) in 2 rounds; next would",
        ),
        (
            history(3, 1, 2),
            StopConditions(9, patience=1),
            "no gain on round 2 (score 1) in 1 round; next would",
        ),
        (
            history(3, metrics={"m:x": 2}),
            StopConditions(9, target=Target("m:x", "<=", 2)),
            "target met: m:x is 2 (m:x<=2)",
        ),
        # the first condition that holds is the reason
        (
            history(3, stop=True, metrics={"m:x": 2}),
            StopConditions(1, target=Target("m:x", "<", 3)),
            "target met",
        ),
        (history(3, 3, after="s1", stop=True, reason="enough"), StopConditions(1), "enough"),
        (history(3, 3, after="s1"), StopConditions(2, budget_s=0, patience=1), "in a cycle"),
        (history(3, 3), StopConditions(2, budget_s=0, patience=1), "no gain"),
        (history(3, 3), StopConditions(2, budget_s=0), "budget"),
    ],
)
def test_the_loop_stops_with_a_reason(rounds: list[Round], stops: StopConditions, words: str) -> None:
    verdict = judge(rounds, stops)
    assert verdict.stop and words in verdict.reason
    assert verdict.met == ("target" in words)


@pytest.mark.parametrize(
    ("rounds", "stops"),
    [
        (history(3, 4, 2), StopConditions(9, patience=1)),
        (history(3, 4, 5), StopConditions(9, patience=3)),
        (history(3, 2, elapsed_s=119.9), StopConditions(9, budget_s=120)),
        (history(3, metrics={"m:y": 2}), StopConditions(9, target=Target("m:x", "<=", 2))),
        (history(3, 2, 1), StopConditions(4)),
    ],
)
def test_the_loop_does_not_stop_one_step_too_early(rounds: list[Round], stops: StopConditions) -> None:
    assert not judge(rounds, stops).stop


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 4))
def test_patience_ends_the_loop_at_the_first_run_of_k_rounds_without_a_new_lowest(
    scores: list[int], patience: int
) -> None:
    stopped = [
        judge(history(*scores[: n + 1]), StopConditions(99, patience=patience)).stop
        for n in range(len(scores))
    ]
    lowest, dry = 6, 0
    for score, stop in zip(scores, stopped, strict=True):
        dry = 0 if score < lowest else dry + 1
        lowest = min(lowest, score)
        assert stop == (dry >= patience)


def test_the_best_round_is_the_first_with_the_lowest_score_and_gain_is_relative_to_it() -> None:
    assert best_round(history(3, 1, 2, 1)).number == 2
    assert gain(history(3)) is None
    assert gain(history(3, 1, 2)) == -1
    assert gain(history(3, 4, 1)) == 2


@pytest.mark.parametrize(
    ("text", "metric", "sign", "bound"),
    [
        ("rmse<=0.2", "rmse", "<=", 0.2),
        (" out/a.json:x.y >= -1e-3 ", "out/a.json:x.y", ">=", -0.001),
        ("a==3", "a", "==", 3),
        ("a<3", "a", "<", 3),
        ("a > inf", "a", ">", float("inf")),
    ],
)
def test_a_target_is_parsed(text: str, metric: str, sign: str, bound: float) -> None:
    assert parse_target(text) == Target(metric, sign, bound)


@pytest.mark.parametrize(
    "text", ["rmse", "rmse=0.2", "<=3", "rmse<=", "rmse<=low", "a<>3", "a<==3", "a<nan", ""]
)
def test_an_invalid_target_is_an_error(text: str) -> None:
    with pytest.raises(WorkflowError, match="--until"):
        parse_target(text)


@pytest.mark.parametrize(
    ("sign", "met"),
    [
        ("<=", (True, True, False)),
        ("<", (True, False, False)),
        ("==", (False, True, False)),
        (">=", (False, True, True)),
        (">", (False, False, True)),
    ],
)
def test_each_operator_compares_as_in_python(sign: str, met: tuple[bool, ...]) -> None:
    assert tuple(Target("x", sign, 2).met(value) for value in (1, 2, 3)) == met


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("out/evaluate.json:mae", "out/evaluate.json:mae"),
        ("evaluate.json:mae", "out/evaluate.json:mae"),
        ("evaluate.mae", "out/evaluate.json:mae"),
        ("out.evaluate.mae", "out/evaluate.json:mae"),
        ("mae", "out/evaluate.json:mae"),
        ("train.loss.rmse", "fit/train.json:loss.rmse"),
        ("evaluate.json:loss.rmse", "out/evaluate.json:loss.rmse"),
        ("n", "top.json:n"),
        ("top.n", "top.json:n"),
        ("ae", None),
        ("evaluate", None),
        ("train.rmse", None),
    ],
)
def test_a_metric_is_found_by_the_end_of_its_name(name: str, metric: str | None) -> None:
    assert find_metric(name, METRICS) == metric


def test_an_ambiguous_name_lists_the_metrics() -> None:
    with pytest.raises(WorkflowError, match=r"'rmse' may be any of fit/train\.json:loss\.rmse, out/evaluate"):
        find_metric("rmse", METRICS)


def test_an_unknown_metric_lists_similar_names() -> None:
    assert "did you mean out/evaluate.json:mae?" in str(unknown_metric("maee", METRICS))
    assert "there are fit/train.json:loss.rmse" in str(unknown_metric("zzz", METRICS))
    assert "no stage has written" in str(unknown_metric("zzz", ()))


def test_a_target_may_be_a_file_that_holds_one_number() -> None:
    metrics = ["out/num.json:", "out/other.yaml:loss"]
    assert find_metric("out/num.json", metrics) == find_metric("num", metrics) == "out/num.json:"
    assert find_metric("other.yaml:loss", metrics) == find_metric("loss", metrics) == "out/other.yaml:loss"
