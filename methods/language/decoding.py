"""Continue prompts token by token, with a cache of keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

MIN_TEMPERATURE = 1e-3
"""Below it the likeliest token is chosen: its probability is 1, or the division overflows."""


@torch.no_grad()
def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    stop: frozenset[int],
    most_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[list[int]]:
    """Continue each prompt until a token of `stop` or `most_tokens`.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    prompts : sequence of sequence of int
        Token ids of each prompt, none empty. They are padded on the left and read as one batch.
    stop : frozenset of int
        Tokens that end a continuation. They are not part of the result.
    most_tokens : int
        Maximum number of tokens, at least 1.
    temperature : float
        Below `MIN_TEMPERATURE` the likeliest token is chosen. Above, tokens are drawn from
        ``softmax(logits / temperature)``.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of list of int
        Tokens of each continuation.

    Raises
    ------
    ValueError
        If a prompt is empty, or a number is out of range.
    """
    if not all(prompts) or most_tokens < 1 or not temperature >= 0:
        raise ValueError(
            f"{sum(not prompt for prompt in prompts)} empty prompts, most_tokens {most_tokens}, temperature "
            f"{temperature}; expected no empty prompt, 1 token or more, and a temperature of 0 or more"
        )
    generator = torch.Generator().manual_seed(seed)
    ids, attention_mask = _pad_left(prompts)
    positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    continuations: list[list[int]] = [[] for _ in prompts]
    active, cache = set(range(len(prompts))), None
    for _ in range(most_tokens):
        out = model(
            input_ids=ids,
            attention_mask=attention_mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, tokens = out.past_key_values, _choose(out.logits[:, -1].float(), temperature, generator)
        for row in sorted(active):
            if int(tokens[row]) in stop:
                active.remove(row)
            else:
                continuations[row].append(int(tokens[row]))
        if not active:
            break
        ids, positions = tokens[:, None], positions[:, -1:] + 1
        attention_mask = torch.cat([attention_mask, torch.ones_like(ids)], dim=1)
    return continuations


def _pad_left(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return the ids of all prompts, padded on the left, and their attention mask."""
    width = max(map(len, prompts))
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    attention_mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        attention_mask[row, width - len(prompt) :] = 1
    return ids, attention_mask


def _choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature < MIN_TEMPERATURE:
        return logits.argmax(dim=1)
    probabilities = torch.softmax(logits / temperature, dim=1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
