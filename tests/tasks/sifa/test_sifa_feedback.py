"""Propose patches from figures whose reason is known."""

from __future__ import annotations

import re

import pytest

from tasks.rounds import Journal
from tasks.sifa.contracts.evaluate import SetValidation, ValidationMetrics
from tasks.sifa.feedback import FRICTION, INFORMATION, RATE, feedback
from tasks.sifa.params import FeedbackParams, TrainParams

PARAMS = FeedbackParams(patience=2, least_gain=0.01)


def train(**changes) -> TrainParams:
    values = {
        "effort": 1.0, "information": 0.1, "rate": 1.0, "friction": 1.0, "attacked": 0, "radii": (),
        "steps": 1, "restarts": 1, "queries": 1, "validation": 0.2, "seed": 0,
    }  # fmt: skip
    return TrainParams(**{**values, **changes})


def validation(loss=0.2, gap=0.0, rises=0.0, late=0.0) -> ValidationMetrics:
    calm = SetValidation(loss=loss, gap=None, rises=0.0, late=0.0)
    return ValidationMetrics(
        loss=loss,
        sets={"digits": SetValidation(loss=loss, gap=gap, rises=rises, late=late), "molecules": calm},
    )


def entry(number, score, key, was, now):
    patch = [{"key": key, "was": was, "now": now}]
    return {"round": number, "time": "t", "reason": "r", "score": score, "patch": patch}


@pytest.mark.parametrize(
    ("figures", "key", "now", "words"),
    [
        ({"rises": 0.5}, FRICTION, 2.0, "Double the friction: the training loss of digits rises by 50%"),
        ({"late": 0.3}, RATE, 2.0, "Double the rate: the training loss of digits makes 30%"),
        ({"gap": 0.3}, INFORMATION, 0.2, "digits have [+]30 points"),
        ({"gap": 0.01}, INFORMATION, 0.05, "Halve the information term"),
    ],
)
def test_a_move_has_its_reason(figures, key, now, words):
    proposal = feedback(validation(**figures), Journal([]), params=PARAMS, train=train())
    assert not proposal.stop
    assert [(patch.key, patch.now) for patch in proposal.patch] == [(key, now)]
    assert re.search(words, proposal.reason)
    assert proposal.score == 0.2


def test_a_gain_is_kept_and_a_loss_is_reverted_with_the_next_move():
    first = entry(1, 0.3, FRICTION, 1.0, 2.0)
    gain = feedback(validation(rises=0.5), Journal([first]), params=PARAMS, train=train(friction=2.0))
    assert "a gain: accepted" in gain.reason
    assert [(patch.key, patch.was, patch.now) for patch in gain.patch] == [(FRICTION, 2.0, 4.0)]
    lost = feedback(
        validation(loss=0.35, rises=0.5), Journal([first]), params=PARAMS, train=train(friction=2.0)
    )
    assert "reverted" in lost.reason
    # Back to the old friction, and half the rate.
    assert {(patch.key, patch.now) for patch in lost.patch} == {(FRICTION, 1.0), (RATE, 0.5)}


def test_the_search_returns_to_the_best_state_and_stops():
    rounds = [entry(1, 0.2, FRICTION, 1.0, 2.0), entry(2, 0.3, FRICTION, 2.0, 4.0)]
    back = feedback(
        validation(loss=0.4, rises=0.5), Journal(rounds), params=PARAMS, train=train(friction=4.0)
    )
    assert not back.stop and [(patch.key, patch.now) for patch in back.patch] == [(FRICTION, 1.0)]
    rounds.append(entry(3, 0.4, FRICTION, 4.0, 1.0))
    stop = feedback(validation(loss=0.2, rises=0.5), Journal(rounds), params=PARAMS, train=train())
    assert stop.stop and stop.patch == []


def test_no_value_leaves_its_range_and_nothing_moves_without_figures():
    proposal = feedback(
        validation(rises=0.5), Journal([]), params=PARAMS, train=train(friction=60.0, information=0.0)
    )
    assert [(patch.key, patch.now) for patch in proposal.patch] == [(RATE, 0.5)]
    empty = feedback(ValidationMetrics(loss=0.0, sets={}), Journal([]), params=PARAMS, train=train())
    assert empty.stop and "No move has a reason" in empty.reason
