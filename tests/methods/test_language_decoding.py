"""Compare decoding with transformers, and draws with their probabilities."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from methods.language.decoding import decode

PROMPTS = [[1, 9, 30], [1, 12, 40, 41, 50, 7, 8], [1, 22]]


def test_greedy_decoding_equals_transformers(tiny):
    model = tiny().model
    continuations = decode(model, PROMPTS, stop=frozenset({2}), most_tokens=12)
    for prompt, tokens in zip(PROMPTS, continuations, strict=True):
        ids = torch.tensor([prompt])
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=2
        )
        expected = whole[0, len(prompt) :].tolist()
        assert tokens == (expected[:-1] if expected[-1] == 2 else expected)


def test_decoding_ends_at_a_stop_token_and_at_the_limit(tiny):
    model = tiny().model
    [free] = decode(model, PROMPTS[:1], stop=frozenset(), most_tokens=8)
    assert len(free) == 8
    [stopped] = decode(model, PROMPTS[:1], stop=frozenset({free[3]}), most_tokens=8)
    assert stopped == free[: free.index(free[3])]


def test_draws_follow_the_softmax_of_the_temperature():
    """Decode with constant logits, so that each of many prompts is one draw."""
    logits = torch.tensor([0.0, 1.0, 2.0])

    def model(input_ids, **_):
        return SimpleNamespace(logits=logits.expand(len(input_ids), 1, 3), past_key_values=None)

    continuations = decode(model, [[1]] * 2000, stop=frozenset(), most_tokens=1, temperature=2.0, seed=4)
    counts = torch.bincount(torch.tensor(continuations).flatten(), minlength=3) / 2000
    torch.testing.assert_close(counts, torch.softmax(logits / 2.0, dim=0), atol=0.035, rtol=0)
    assert continuations == decode(
        model, [[1]] * 2000, stop=frozenset(), most_tokens=1, temperature=2.0, seed=4
    )
    assert continuations != decode(
        model, [[1]] * 2000, stop=frozenset(), most_tokens=1, temperature=2.0, seed=5
    )


@pytest.mark.parametrize("temperature", [1e-4, 1e-38, 1e-46])
def test_the_lowest_temperatures_choose_the_likeliest_token(tiny, temperature):
    greedy = decode(tiny().model, PROMPTS, stop=frozenset(), most_tokens=4)
    drawn = decode(tiny().model, PROMPTS, stop=frozenset(), most_tokens=4, temperature=temperature)
    assert drawn == greedy


@pytest.mark.parametrize("bad", [{"most_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}])
def test_invalid_input_raises_an_error(tiny, bad):
    with pytest.raises(ValueError, match="expected no empty prompt"):
        decode(tiny().model, [[1]], **{"stop": frozenset(), "most_tokens": 1, **bad})
