"""Stage ``releaf-adapt``: a language model learns to answer from the cards, by a low-rank adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from statewright.contracts import ContractError, Shapes, Table, Tensors
from tasks.releaf.adapter.examples import Asked, ask, shelve
from tasks.releaf.adapter.scores import (
    AdaptSummary,
    Answers,
    BeforeAfter,
    Steps,
    baselines,
    model_card,
    score_answers,
)
from tasks.releaf.adapter.texts import full_texts
from tasks.releaf.contracts.tables import Cards, Items, Passages
from tasks.releaf.params import AdaptParams

if TYPE_CHECKING:
    from methods.language.generation import Generator
    from methods.language.model import LanguageModel
    from methods.language.perplexity import Example
    from methods.language.training import Tuned

RECIPE = {
    "steps",
    "batch_size",
    "learning_rate",
    "lowest_rate",
    "warm_up",
    "weight_decay",
    "clip",
    "check_every",
    "patience",
    "seed",
}
OFF = "off: WikiText-2 does not ship; name its folder in releaf.adapt.texts"


class AdaptOutputs(NamedTuple):
    """What the stage makes: the adapter, what it came to, its course, and a page about it."""

    adapter: Annotated[Tensors, Shapes({"scaling": ()}, more=True)]
    adapt: AdaptSummary
    adapt_history: Table[Steps]
    adapter_card: str


@dataclass(frozen=True)
class Material:
    """What is learnt from, what stops the training, and on what it is judged."""

    learnt: list[Example]
    stopped_by: list[Example]
    judged: dict[str, list[Example]]
    asked: list[Asked]
    counts: dict[str, int]


def adapt(
    cards: Table[Cards], passages: Table[Passages], items: Table[Items], *, params: AdaptParams
) -> AdaptOutputs:
    """Train an adapter on questions, answers and texts of the cards; judge it on cards and items kept apart.

    Training stops by the cards of the dev split; nothing is chosen on the test split.

    Raises
    ------
    ContractError
        If the model is not here, or there is nothing to learn from or to judge by.
    """
    import torch

    from methods.language.generation import Generator
    from methods.language.lora import adapter_arrays, adapter_size

    torch.set_num_threads(1)  # the sums keep one order
    torch.use_deterministic_algorithms(True)
    material = _material(cards, passages, items, _load(params), params)
    before = _judge(Generator(_load(params)), material, params)
    adapted, tuned = _tune(material, params)
    arrays, size = adapter_arrays(adapted), adapter_size(adapted)
    difference = _merged_difference(adapted, arrays, material.asked, params)
    del adapted
    after = _judge(_adapted(arrays, params), material, params)
    summary = AdaptSummary(
        model=params.model,
        rank=params.rank,
        alpha=params.alpha,
        learnt_from=material.counts,
        matrices=size.matrices,
        trainable=size.trainable,
        trainable_share=round(size.trainable_share, 6),
        formula=size.adapter,
        formula_holds=size.adapter == size.trainable,
        reduction=round(size.reduction, 4),
        reductions={name: round(value, 4) for name, value in sorted(size.reductions.items())},
        merged_difference=round(difference, 8),
        steps=tuned.history[-1].step,
        best_step=tuned.best_step,
        perplexity={
            name: BeforeAfter(before=before[0][name], after=after[0][name]) for name in material.judged
        },
        forgetting=OFF if params.texts is None else f"perplexity.wikitext2, {params.wikitext_tokens} tokens",
        answers_before=before[1],
        answers_after=after[1],
        baselines=baselines(material.asked, items),
    )
    history = pd.DataFrame(
        {
            "step": check.step,
            "train_loss": round(check.train_loss, 6),
            "validation_loss": round(check.validation_loss, 6),
        }
        for check in tuned.history
    )
    return AdaptOutputs(arrays, summary, history, model_card(summary))


def _load(params: AdaptParams) -> LanguageModel:
    import torch

    from methods.language.model import load_language_model

    try:
        return load_language_model(params.model, Path(params.cache), dtype=getattr(torch, params.precision))
    except ValueError as error:
        raise ContractError(f"releaf.adapt.model: {error}") from error


def _adapted(arrays: Mapping[str, np.ndarray], params: AdaptParams) -> Generator:
    import torch

    from methods.language.generation import load_generator

    precision = getattr(torch, params.precision)
    return load_generator(params.model, arrays, cache=Path(params.cache), dtype=precision)


def _material(
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    items: pd.DataFrame,
    language: LanguageModel,
    params: AdaptParams,
) -> Material:
    from methods.language.perplexity import windows

    shelves = {
        split: shelve(
            cards,
            passages,
            items,
            split,
            dev_share=params.dev_share,
            test_share=params.test_share,
            salt=params.salt,
        )
        for split in ("train", "dev", "test")
    }
    if empty := [split for split, shelf in shelves.items() if not shelf.things]:
        raise ContractError(
            f"data/releaf/cards.parquet leaves no question for the split {', '.join(empty)}; "
            "change releaf.adapt.salt or its shares"
        )
    most, seed, tokenizer = params.passages, params.seed, language.tokenizer
    learnt = ask(shelves["train"], params.questions, most, seed, all_passages=False)
    stop = ask(shelves["dev"], params.checked, most, seed, all_passages=True)
    asked = ask(shelves["test"], params.asked, most, seed, all_passages=True)
    texts = {split: shelf.texts[: params.texts_each] for split, shelf in shelves.items()}
    judged = {
        "held-out cards": [_text(text, tokenizer) for text in texts["test"]],
        "held-out answers": [_answer(one, tokenizer) for one in asked],
    }
    if params.texts is not None:
        more = full_texts(Path(params.texts), items, params)
        texts["train"] += more.learnt
        judged["waste answers"] = [_text(text, tokenizer) for text in more.held_out]
        tokens = tokenizer(more.wikitext, add_special_tokens=False)["input_ids"][: params.wikitext_tokens]
        judged["wikitext2"] = windows(tokens, params.window, params.window // 2)
    return Material(
        [_answer(one, tokenizer) for one in learnt] + [_text(text, tokenizer) for text in texts["train"]],
        [_answer(one, tokenizer) for one in stop]
        + [_text(text, tokenizer) for text in texts["dev"][: params.checked]],
        judged,
        asked,
        {"questions": len(learnt), "texts": len(texts["train"]), "cards": len(shelves["train"].passages)},
    )


def _answer(one: Asked, tokenizer: Any) -> Example:
    """The prompt and its answer; only the answer counts, with the token that ends it."""
    from methods.language.perplexity import Example
    from methods.language.prompt import prompt_ids, user_turn

    prompt = prompt_ids(tokenizer, user_turn(one.question, one.city, one.passages))
    answer = tokenizer(one.answer, add_special_tokens=False)["input_ids"]
    return Example((*prompt, *answer, tokenizer.eos_token_id), len(prompt))


def _text(text: str, tokenizer: Any) -> Example:
    """A text, all of which counts, after the token that ends the one before."""
    from methods.language.perplexity import Example

    return Example((tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]))


def _tune(material: Material, params: AdaptParams) -> tuple[Any, Tuned]:
    from methods.language.lora import add_adapter
    from methods.language.training import Recipe, fine_tune

    def track(steps: Iterable[int]) -> Iterable[int]:
        return tqdm(steps, desc="adapter: steps", mininterval=1)

    try:
        adapted = add_adapter(
            _load(params).model,
            rank=params.rank,
            alpha=params.alpha,
            dropout=params.dropout,
            targets=params.targets,
            seed=params.seed,
        )
    except ValueError as error:
        raise ContractError(f"releaf.adapt.targets: {error}") from error
    recipe = Recipe(**params.model_dump(include=RECIPE))
    return adapted, fine_tune(adapted, material.learnt, material.stopped_by, recipe, track=track)


def _judge(generator: Generator, material: Material, params: AdaptParams) -> tuple[dict[str, float], Answers]:
    """Perplexity on every set, and the answers to the held-out questions."""
    from methods.language.perplexity import perplexity

    model = generator.language.model
    found = {
        name: round(perplexity(model, tqdm(examples, desc=f"perplexity: {name}", mininterval=1)), 4)
        for name, examples in material.judged.items()
    }
    asked = [(one.question, one.city, one.passages) for one in material.asked]
    return found, score_answers(material.asked, generator.write(asked, most_tokens=params.most_tokens))


def _merged_difference(
    adapted: Any, arrays: Mapping[str, np.ndarray], asked: list[Asked], params: AdaptParams
) -> float:
    """Largest difference of a logit between adapter and merged weights, in float32, on a held-out prompt."""
    import torch

    from methods.language.lora import merge_adapter

    plain = _load(params)
    ids = torch.tensor([_answer(asked[0], plain.tokenizer).ids])
    merge_adapter(plain.model.float(), arrays)
    with torch.no_grad():
        beside = adapted.float().eval()(input_ids=ids).logits
        return float((beside - plain.model(input_ids=ids).logits).abs().max())
