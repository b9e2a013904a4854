"""Compare perplexity with a loop over tokens, and check that windows count once."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.language.perplexity import Example, mean_loss, negative_log_likelihood, perplexity, windows

TEXT = tuple(int(value) for value in torch.randint(3, 80, (40,), generator=torch.Generator().manual_seed(2)))


def by_hand(model, ids, start):
    """Sum the losses of single tokens, each predicted from all tokens before it."""
    total = 0.0
    for position in range(start, len(ids)):
        logits = model(input_ids=torch.tensor([ids[:position]])).logits[0, -1].double()
        total -= float(torch.log_softmax(logits, dim=0)[ids[position]])
    return total


@pytest.mark.parametrize("start", [1, 17, 39])
@torch.no_grad()
def test_loss_equals_a_loop_over_tokens(tiny, start):
    model = tiny().model
    loss = float(negative_log_likelihood(model, Example(TEXT, start)))
    assert loss == pytest.approx(by_hand(model, TEXT, start), rel=1e-5)


@torch.no_grad()
def test_perplexity_is_over_all_tokens_of_all_examples(tiny):
    model = tiny().model
    pair = [Example(TEXT[:9], 4), Example(TEXT, 1)]
    expected = (by_hand(model, TEXT[:9], 4) + by_hand(model, TEXT, 1)) / (5 + 39)
    assert perplexity(model, pair) == pytest.approx(math.exp(expected), rel=1e-5)


def test_a_uniform_model_has_the_perplexity_of_the_vocabulary(tiny):
    model = tiny().model
    for weight in model.parameters():
        weight.data.zero_()
    assert perplexity(model, [Example(TEXT)]) == pytest.approx(model.config.vocab_size, rel=1e-4)


def test_dropout_is_off_during_the_measurement(tiny):
    model = tiny().model
    model.config.attention_dropout = 0.5
    model.train()
    assert mean_loss(model, [Example(TEXT)]) == mean_loss(model, [Example(TEXT)])
    assert model.training


@given(st.integers(2, 60), st.integers(2, 20), st.data())
def test_each_token_except_the_first_counts_once(number, length, data):
    stride = data.draw(st.integers(1, length - 1))
    ids = list(range(number))
    examples = windows(ids, length, stride)
    assert [token for example in examples for token in example.ids[example.start :]] == ids[1:]
    assert all(len(e.ids) <= length and e.counted <= max(length - 1, stride) for e in examples)


def test_windows_contain_the_tokens_before(tiny):
    assert windows(range(10), 6, 2)[1] == Example((2, 3, 4, 5, 6, 7), 4)
    assert windows(range(6), 6) == [Example((0, 1, 2, 3, 4, 5), 1)]


def test_invalid_input_raises_an_error(tiny):
    with pytest.raises(ValueError, match="no example"):
        mean_loss(tiny().model, [])
    with pytest.raises(ValueError, match="expected 1 to 1"):
        Example((1, 2), 2)
    with pytest.raises(ValueError, match="stride"):
        windows(range(9), 4, 4)
