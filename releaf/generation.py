"""Answer questions from passages, with citations that are checked, or refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from methods.language.decoding import decode
from methods.language.lora import merge_adapter
from methods.language.model import LanguageModel, load_language_model
from releaf.grounding import citations, extract, ground
from releaf.prompt import Passage, clean_passages, prompt_ids, user_turn

Level = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class GeneratedAnswer:
    """An answer to a question.

    Attributes
    ----------
    text : str
    cited : tuple of int
        Numbers of the passages that support the answer, from 1. It is empty in a refusal.
    refused : bool
        Whether no passage was found, the search was not confident enough, or the model cited no passage.
    grounded : bool
        Whether `text` is written by the model and supported by the passages cited. It is False in a refusal,
        and where `text` is a sentence of a cited passage instead.
    """

    text: str
    cited: tuple[int, ...]
    refused: bool
    grounded: bool


@dataclass(frozen=True)
class Generator:
    """A model that answers from passages, as `load_generator` returns it."""

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
    ) -> GeneratedAnswer:
        """Answer from the first passages (`prompt.MAX_PASSAGES`), or refuse.

        Parameters
        ----------
        question : str
        city : str
            Name of the city, as the streams of the passages spell it.
        passages : list of Passage
            Passages, the best first.
        level : {'high', 'medium', 'low'}
            Confidence of the search. At 'low' the answer is a refusal, without a call of the model.
        temperature : float
            0 for greedy decoding.
        seed : int
            Seed of the draws at another temperature.
        most_tokens : int
            Maximum number of tokens, at least 1.
        """
        if level == "low" or not passages:
            reason = "the search is not confident enough" if passages else "no passage was found"
            return refusal(city, reason)
        [text] = self.write(
            [(question, city, passages)], temperature=temperature, seed=seed, most_tokens=most_tokens
        )
        special = self.language.tokenizer.all_special_tokens
        return check_answer(text, city, clean_passages(passages, special))

    def write(
        self,
        questions: Sequence[tuple[str, str, Sequence[Passage]]],
        *,
        temperature: float = 0.0,
        seed: int = 0,
        most_tokens: int = 60,
    ) -> list[str]:
        """Return the unchecked text of the model for each (question, city, passages)."""
        tokenizer = self.language.tokenizer
        special = tokenizer.all_special_tokens
        prompts = [prompt_ids(tokenizer, user_turn(*question, special)) for question in questions]
        continuations = decode(
            self.language.model,
            prompts,
            stop=end_tokens(self.language),
            most_tokens=most_tokens,
            temperature=temperature,
            seed=seed,
        )
        return [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in continuations]


def load_generator(
    model: str,
    adapter: Mapping[str, np.ndarray] | Path | None,
    *,
    cache: Path,
    dtype: torch.dtype = torch.float32,
) -> Generator:
    """Load a model, and merge an adapter into its weights.

    Parameters
    ----------
    model : str
        Name, as in `methods.language.model.load_language_model`.
    adapter : mapping of str to ndarray, or Path, or None
        Arrays of `methods.language.lora.adapter_arrays`, a safetensors file of them, or None for no adapter.
    cache : Path
        Folder for the converted form of a packaged model.
    dtype : torch.dtype
        Type of the weights. The adapter is merged in float32 before the conversion.

    Raises
    ------
    ValueError
        If the model is not found, or the adapter does not fit the model.
    """
    language = load_language_model(model, cache)
    if isinstance(adapter, Path):
        from safetensors.numpy import load_file

        adapter = load_file(adapter)
    if adapter is not None:
        merge_adapter(language.model, adapter)
    language.model.to(dtype)
    return Generator(language)


def check_answer(text: str, city: str, passages: Sequence[Passage]) -> GeneratedAnswer:
    """Return the part of a text that the cited passages support, or a refusal.

    `passages` are the output of `clean_passages`, in the order of their numbers.
    """
    cited = citations(text, len(passages))
    if not cited:
        return refusal(city, "no passage supports the answer")
    supported = ground(text, city, passages).text
    if supported and citations(supported, len(passages)):
        return GeneratedAnswer(supported, citations(supported, len(passages)), refused=False, grounded=True)
    return GeneratedAnswer(
        f"{extract(city, passages, cited[0])} [{cited[0]}]", cited[:1], refused=False, grounded=False
    )


def refusal(city: str, reason: str) -> GeneratedAnswer:
    """Return an answer that gives the reason of the refusal, and advice."""
    text = (
        f"I do not know: {reason}. Name the item and its material more exactly, or ask the waste service of "
        f"{city}; until then keep it out of the recycling."
    )
    return GeneratedAnswer(text, (), refused=True, grounded=False)


def end_tokens(language: LanguageModel) -> frozenset[int]:
    """Return the tokens that end an answer, by the settings of model and tokenizer."""
    ends: Any = language.model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in [*listed, language.tokenizer.eos_token_id] if end is not None)
