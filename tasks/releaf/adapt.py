"""Stage ``releaf-adapt``: train a low-rank adapter of a language model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from statewright.contracts import ContractError, Progress, Shapes, Table, Tensors
from tasks.releaf.adapter.examples import Question, ask, card_set
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
from tasks.training import checkpoint

if TYPE_CHECKING:
    from methods.language.model import LanguageModel
    from methods.language.perplexity import Example
    from methods.language.training import FineTuningResult
    from releaf.generation import Generator

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
CHECKPOINT_EVERY = 10
"""Steps of about a second between two checkpoints."""

NOT_MEASURED = "not measured (WikiText-2 does not ship; set its folder in releaf.adapt.texts)"


class AdaptOutputs(NamedTuple):
    """The adapter, its scores, its training history and its model card."""

    adapter: Annotated[Tensors, Shapes({"scaling": ()}, more=True)]
    adapt: AdaptSummary
    adapt_history: Table[Steps]
    adapter_card: str


@dataclass(frozen=True)
class Examples:
    """Examples for training, validation and evaluation.

    `evaluation` holds texts for the perplexity by name, `questions` the held-out questions, and `counts` the
    sizes of the training set.
    """

    training: list[Example]
    validation: list[Example]
    evaluation: dict[str, list[Example]]
    questions: list[Question]
    counts: dict[str, int]


def adapt(
    cards: Table[Cards],
    passages: Table[Passages],
    items: Table[Items],
    *,
    params: AdaptParams,
    progress: Progress,
) -> AdaptOutputs:
    """Train an adapter on the cards, and evaluate it on held-out cards and items.

    The cards of the dev split decide when training stops. No choice depends on the test split.

    Raises
    ------
    ContractError
        If the model is missing, or a split has no question.
    """
    import torch

    from methods.language.lora import adapter_arrays, adapter_size
    from releaf.generation import Generator

    torch.set_num_threads(1)  # a fixed order of summation
    torch.use_deterministic_algorithms(True)
    examples = _examples(cards, passages, items, _load(params), params)
    before = _evaluate(Generator(_load(params)), examples, params)
    adapted, tuned = _tune(examples, params, progress)
    arrays, size = adapter_arrays(adapted), adapter_size(adapted)
    difference = _merged_difference(adapted, arrays, examples.questions, params)
    del adapted
    after = _evaluate(_adapted(arrays, params), examples, params)
    summary = AdaptSummary(
        model=params.model,
        rank=params.rank,
        alpha=params.alpha,
        learnt_from=examples.counts,
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
            name: BeforeAfter(before=before[0][name], after=after[0][name]) for name in examples.evaluation
        },
        forgetting=NOT_MEASURED
        if params.texts is None
        else f"measured by the perplexity of {params.wikitext_tokens} tokens of WikiText-2",
        answers_before=before[1],
        answers_after=after[1],
        baselines=baselines(examples.questions, items),
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

    from releaf.generation import load_generator

    precision = getattr(torch, params.precision)
    return load_generator(params.model, arrays, cache=Path(params.cache), dtype=precision)


def _examples(
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    items: pd.DataFrame,
    language: LanguageModel,
    params: AdaptParams,
) -> Examples:
    from methods.language.perplexity import windows

    card_sets = {
        split: card_set(
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
    if empty := [split for split, cards_of_split in card_sets.items() if not cards_of_split.items]:
        raise ContractError(
            f"data/releaf/cards.parquet has no question for the split {', '.join(empty)}; "
            "change releaf.adapt.salt, dev_share or test_share"
        )
    most, seed, tokenizer = params.passages, params.seed, language.tokenizer
    training = ask(card_sets["train"], params.questions, most, seed, all_passages=False)
    validation = ask(card_sets["dev"], params.checked, most, seed, all_passages=True)
    test = ask(card_sets["test"], params.asked, most, seed, all_passages=True)
    texts = {split: cards_of_split.texts[: params.texts_each] for split, cards_of_split in card_sets.items()}
    evaluation = {
        "held-out cards": [_text(text, tokenizer) for text in texts["test"]],
        "held-out answers": [_answer(question, tokenizer) for question in test],
    }
    if params.texts is not None:
        more = full_texts(Path(params.texts), items, params)
        texts["train"] += more.training
        evaluation["waste answers"] = [_text(text, tokenizer) for text in more.held_out]
        tokens = tokenizer(more.wikitext, add_special_tokens=False)["input_ids"][: params.wikitext_tokens]
        evaluation["wikitext2"] = windows(tokens, params.window, params.window // 2)
    return Examples(
        [_answer(question, tokenizer) for question in training]
        + [_text(text, tokenizer) for text in texts["train"]],
        [_answer(question, tokenizer) for question in validation]
        + [_text(text, tokenizer) for text in texts["dev"][: params.checked]],
        evaluation,
        test,
        {
            "questions": len(training),
            "texts": len(texts["train"]),
            "cards": len(card_sets["train"].passages),
        },
    )


def _answer(question: Question, tokenizer: Any) -> Example:
    """Return prompt and answer with end token; the prompt does not count in the loss."""
    from methods.language.perplexity import Example
    from releaf.prompt import prompt_ids, user_turn

    prompt = prompt_ids(tokenizer, user_turn(question.question, question.city, question.passages))
    answer = tokenizer(question.answer, add_special_tokens=False)["input_ids"]
    return Example((*prompt, *answer, tokenizer.eos_token_id), len(prompt))


def _text(text: str, tokenizer: Any) -> Example:
    """Return a text after an end token; all of the text counts in the loss."""
    from methods.language.perplexity import Example

    return Example((tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]))


def _tune(examples: Examples, params: AdaptParams, progress: Progress) -> tuple[Any, FineTuningResult]:
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
    return adapted, fine_tune(
        adapted,
        examples.training,
        examples.validation,
        recipe,
        track=track,
        checkpoint=checkpoint(progress, "adapter", CHECKPOINT_EVERY),
    )


def _evaluate(
    generator: Generator, examples: Examples, params: AdaptParams
) -> tuple[dict[str, float], Answers]:
    """Return the perplexity of every set, and the scores of the held-out questions."""
    from methods.language.perplexity import perplexity

    model = generator.language.model
    perplexities = {
        name: round(perplexity(model, tqdm(texts, desc=f"perplexity: {name}", mininterval=1)), 4)
        for name, texts in examples.evaluation.items()
    }
    questions = examples.questions
    prompts = [(question.question, question.city, question.passages) for question in questions]
    written = generator.write(prompts, most_tokens=params.most_tokens)
    return perplexities, score_answers(questions, written)


def _merged_difference(
    adapted: Any, arrays: Mapping[str, np.ndarray], questions: list[Question], params: AdaptParams
) -> float:
    """Return the largest difference of a logit between adapter and merged weights.

    The logits are computed in float32 on one held-out prompt.
    """
    import torch

    from methods.language.lora import merge_adapter

    plain = _load(params)
    ids = torch.tensor([_answer(questions[0], plain.tokenizer).ids])
    merge_adapter(plain.model.float(), arrays)
    with torch.no_grad():
        logits = adapted.float().eval()(input_ids=ids).logits
        return float((logits - plain.model(input_ids=ids).logits).abs().max())
