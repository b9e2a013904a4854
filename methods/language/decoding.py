"""Continue prompts token by token, with the keys and values of what was read kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

COLDEST = 1e-3
"""Temperature below which the likeliest token is taken: its share is 1, or the division overflows."""


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
        Token ids, none empty; they are padded on the left to be read at once.
    stop : frozenset of int
        Tokens that end a continuation; not part of what is returned.
    most_tokens : int
        At least 1.
    temperature : float
        Below `COLDEST` the likeliest token is taken; above, tokens are drawn from
        ``softmax(logits / temperature)``.
    seed : int
        Of the draws.

    Returns
    -------
    list of list of int

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
    ids, seen = _left_padded(prompts)
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    found: list[list[int]] = [[] for _ in prompts]
    going, kept = set(range(len(prompts))), None
    for _ in range(most_tokens):
        out = model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=positions,
            past_key_values=kept,
            use_cache=True,
            logits_to_keep=1,
        )
        kept, tokens = out.past_key_values, _choose(out.logits[:, -1].float(), temperature, generator)
        for row in sorted(going):
            if int(tokens[row]) in stop:
                going.remove(row)
            else:
                found[row].append(int(tokens[row]))
        if not going:
            break
        ids, positions = tokens[:, None], positions[:, -1:] + 1
        seen = torch.cat([seen, torch.ones_like(ids)], dim=1)
    return found


def _left_padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    width = max(map(len, prompts))
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    seen = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        seen[row, width - len(prompt) :] = 1
    return ids, seen


def _choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature < COLDEST:
        return logits.argmax(dim=1)
    shares = torch.softmax(logits / temperature, dim=1)
    return torch.multinomial(shares, 1, generator=generator)[:, 0]
