"""Perplexity against a loop over single tokens, and windows that count each token once."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.language.perplexity import Example, mean_loss, negative_log_likelihood, perplexity, windows

TEXT = tuple(int(value) for value in torch.randint(3, 80, (40,), generator=torch.Generator().manual_seed(2)))


def by_hand(model, ids, start):
    """One token at a time, each from all before it."""
    total = 0.0
    for place in range(start, len(ids)):
        logits = model(input_ids=torch.tensor([ids[:place]])).logits[0, -1].double()
        total -= float(torch.log_softmax(logits, dim=0)[ids[place]])
    return total


@pytest.mark.parametrize("start", [1, 17, 39])
@torch.no_grad()
def test_loss_is_that_of_a_loop_over_tokens(tiny, start):
    model = tiny().model
    found = float(negative_log_likelihood(model, Example(TEXT, start)))
    assert found == pytest.approx(by_hand(model, TEXT, start), rel=1e-5)


@torch.no_grad()
def test_perplexity_is_over_all_tokens_of_all_examples(tiny):
    model = tiny().model
    pair = [Example(TEXT[:9], 4), Example(TEXT, 1)]
    expected = (by_hand(model, TEXT[:9], 4) + by_hand(model, TEXT, 1)) / (5 + 39)
    assert perplexity(model, pair) == pytest.approx(math.exp(expected), rel=1e-5)


def test_a_model_that_knows_nothing_has_the_vocabularys_perplexity(tiny):
    model = tiny().model
    for weight in model.parameters():
        weight.data.zero_()
    assert perplexity(model, [Example(TEXT)]) == pytest.approx(model.config.vocab_size, rel=1e-4)


def test_dropout_is_off_while_measuring_and_on_again(tiny):
    model = tiny().model
    model.config.attention_dropout = 0.5
    model.train()
    assert mean_loss(model, [Example(TEXT)]) == mean_loss(model, [Example(TEXT)])
    assert model.training


@given(st.integers(2, 60), st.integers(2, 20), st.data())
def test_each_token_but_the_first_counts_once(number, length, data):
    stride = data.draw(st.integers(1, length - 1))
    ids = list(range(number))
    found = windows(ids, length, stride)
    assert [token for one in found for token in one.ids[one.start :]] == ids[1:]
    assert all(len(one.ids) <= length and one.counted <= max(length - 1, stride) for one in found)


def test_windows_see_what_is_before(tiny):
    assert windows(range(10), 6, 2)[1] == Example((2, 3, 4, 5, 6, 7), 4)
    assert windows(range(6), 6) == [Example((0, 1, 2, 3, 4, 5), 1)]


def test_what_cannot_be_measured_is_refused(tiny):
    with pytest.raises(ValueError, match="no example"):
        mean_loss(tiny().model, [])
    with pytest.raises(ValueError, match="expected 1 to one below"):
        Example((1, 2), 2)
    with pytest.raises(ValueError, match="stride"):
        windows(range(9), 4, 4)
