"""Answer a question from passages: cited, checked against what is cited, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from methods.language.decoding import decode
from methods.language.grounding import citations, extract, ground
from methods.language.lora import merge_adapter
from methods.language.model import LanguageModel, load_language_model
from methods.language.prompt import Passage, cleaned, prompt_ids, user_turn

Level = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class Generated:
    """An answer.

    Attributes
    ----------
    text : str
    cited : tuple of int
        Numbers of the passages that it rests on, from 1; empty in a refusal.
    refused : bool
        Nothing was found, or not surely enough, or the model cited no passage given.
    grounded : bool
        The model's own words, as far as they are shown, hold by the passages cited. False in a refusal, and
        where a sentence of the passage cited stands in their place.
    """

    text: str
    cited: tuple[int, ...]
    refused: bool
    grounded: bool


@dataclass(frozen=True)
class Generator:
    """A model that answers from passages; see `load_generator`."""

    language: LanguageModel

    def answer(
        self,
        question: str,
        city: str,
        passages: list[Passage],
        *,
        level: Level,
        temperature: float = 0.0,
        seed: int = 0,
        most_tokens: int = 60,
    ) -> Generated:
        """Answer from the first passages (`prompt.MOST_PASSAGES`), or refuse.

        Parameters
        ----------
        question : str
        city : str
            As the passages' streams spell it.
        passages : list of Passage
            Best first.
        level : {'high', 'medium', 'low'}
            Of the search's confidence; at 'low' the model is not asked.
        temperature : float
            0 for greedy decoding.
        seed : int
            Of the draws at another temperature.
        most_tokens : int
            At least 1.
        """
        if level == "low" or not passages:
            return refusal(city, "nothing was found" if not passages else "what was found is not sure enough")
        [text] = self.write(
            [(question, city, passages)], temperature=temperature, seed=seed, most_tokens=most_tokens
        )
        return checked(text, city, cleaned(passages, self.language.tokenizer.all_special_tokens))

    def write(
        self,
        asked: Sequence[tuple[str, str, Sequence[Passage]]],
        *,
        temperature: float = 0.0,
        seed: int = 0,
        most_tokens: int = 60,
    ) -> list[str]:
        """What the model writes of its own accord, unchecked, for several (question, city, passages)."""
        tokenizer = self.language.tokenizer
        special = tokenizer.all_special_tokens
        prompts = [prompt_ids(tokenizer, user_turn(*one, special)) for one in asked]
        found = decode(
            self.language.model,
            prompts,
            stop=end_tokens(self.language),
            most_tokens=most_tokens,
            temperature=temperature,
            seed=seed,
        )
        return [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in found]


def load_generator(
    model: str,
    adapter: Mapping[str, np.ndarray] | Path | None,
    *,
    cache: Path,
    dtype: torch.dtype = torch.float32,
) -> Generator:
    """Load a model, with an adapter merged into its weights.

    Parameters
    ----------
    model : str
        See `methods.language.model.load_language_model`.
    adapter : mapping of str to ndarray, or Path, or None
        Arrays of `methods.language.lora.adapter_arrays`, or the safetensors file that holds them.
    cache : Path
        Where a packaged model is kept in converted form.
    dtype : torch.dtype
        In which it runs; the adapter is merged in float32 before.

    Raises
    ------
    ValueError
        If the model is not here, or the adapter is not of this model.
    """
    language = load_language_model(model, cache)
    if isinstance(adapter, Path):
        from safetensors.numpy import load_file

        adapter = load_file(adapter)
    if adapter is not None:
        merge_adapter(language.model, adapter)
    language.model.to(dtype)
    return Generator(language)


def checked(text: str, city: str, passages: Sequence[Passage]) -> Generated:
    """What of a written text may be shown; `passages` as they were numbered, `cleaned`."""
    cited = citations(text, len(passages))
    if not cited:
        return refusal(city, "no passage bears the answer out")
    held = ground(text, city, passages)
    if held.text and citations(held.text, len(passages)):
        return Generated(held.text, citations(held.text, len(passages)), refused=False, grounded=True)
    return Generated(
        f"{extract(city, passages, cited[0])} [{cited[0]}]", cited[:1], refused=False, grounded=False
    )


def refusal(city: str, reason: str) -> Generated:
    """Say that nothing is known, why, and what to do."""
    text = (
        f"I do not know: {reason}. Name the thing and its material more exactly, or ask the waste service of "
        f"{city}; until then keep it out of the recycling."
    )
    return Generated(text, (), refused=True, grounded=False)


def end_tokens(language: LanguageModel) -> frozenset[int]:
    """The tokens that end an answer, by the model's own settings and its tokenizer's."""
    ends: Any = language.model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in [*listed, language.tokenizer.eos_token_id] if end is not None)
