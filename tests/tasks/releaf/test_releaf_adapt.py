"""The stage that trains the adapter: held-out items, scores and determinism."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from releaf.grounding import citations
from releaf.prompt import Passage
from statewright.contracts import ContractError, Progress, check
from tasks.releaf.adapt import AdaptOutputs, adapt
from tasks.releaf.adapter.examples import (
    CardSet,
    Question,
    ask,
    card_set,
    commonest,
    names_of,
    without,
)
from tasks.releaf.adapter.scores import model_card, score_answers
from tasks.releaf.catalogue.names import split_of
from tasks.releaf.params import AdaptParams

pytestmark = pytest.mark.slow

SHARES = {"dev_share": 0.15, "test_share": 0.2, "salt": "releaf"}
TUBS = Passage("Tubs", "Tubs. Rinse them.", ("Toronto: Blue Bin", "Toronto: Garbage"))
DAIRY = Passage("Dairy food", "Dairy food. Scrape it out.", ("Toronto: Green Bin",))


@pytest.fixture(scope="module")
def card_sets(preprocessed) -> dict[str, CardSet]:
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    return {split: card_set(*tables, split, **SHARES) for split in ("train", "dev", "test")}


@pytest.fixture(scope="module")
def small(tiny_folder) -> AdaptParams:
    return shipped_params(
        AdaptParams,
        "releaf.adapt",
        model=str(tiny_folder),
        precision="float32",
        questions=6,
        texts_each=3,
        steps=4,
        check_every=2,
        checked=2,
        asked=4,
        most_tokens=6,
    )


@pytest.fixture(scope="module")
def done(preprocessed, small) -> AdaptOutputs:
    return adapt(
        preprocessed.cards, preprocessed.passages, preprocessed.items, params=small, progress=Progress()
    )


def test_no_training_text_names_a_test_item(card_sets, preprocessed):
    """Search all training texts for all test names, independently of `names_of`."""
    rows = preprocessed.items.query("split == 'test'")
    names = {*rows["name"].str.lower(), *rows["family"]}
    for split in ("train", "dev"):
        questions = ask(card_sets[split], 500, 3, 0, all_passages=True)
        texts = [
            *card_sets[split].texts,
            *(text for q in questions for text in (q.question, *(p.text for p in q.passages))),
            *(q.answer.partition(" goes to ")[0] for q in questions),
        ]
        words = [
            f" {' '.join(''.join(c if c.isalnum() else ' ' for c in t.lower()).split())} " for t in texts
        ]
        plain = [f" {' '.join(''.join(c if c.isalnum() else ' ' for c in n).split())} " for n in names]
        # Only names of one word: removed punctuation may join two sentences into a longer name.
        single = [name for name in plain if len(name.split()) == 1]
        assert len(single) > 100 and questions
        assert not [(name, text) for text in words for name in single if name in text]


def test_cards_are_in_one_split_by_their_hash(card_sets, preprocessed):
    cards_of = {split: set(cards.passages) for split, cards in card_sets.items()}
    assert sum(map(len, cards_of.values())) == len(set().union(*cards_of.values()))
    for split, cards in cards_of.items():
        assert all(split_of(card, 0.15, 0.2, "releaf") == split for card in cards)
    items = preprocessed.items.set_index(["city", "name"])["split"].groupby(level=[0, 1]).first()
    assert all(items[city, name] == "test" for _, name, city, _ in card_sets["test"].items)
    assert all(items[city, name] != "test" for _, name, city, _ in card_sets["train"].items)


def test_a_name_is_found_as_a_phrase_and_in_the_plural():
    items = pd.DataFrame(
        {"split": ["test", "train"], "family": ["milk jug", "tub"], "name": ["Milk jug", "tub"]}
    )
    test_names = names_of(items, "test")
    assert (
        test_names.search("Old milk jugs.")
        and not test_names.search("milk, jug")
        and not test_names.search("tub")
    )
    assert (
        without(Passage("Tubs", "Tubs, milk jug. Rinse. No milk jugs.", ()), test_names).text
        == "Tubs. Rinse."
    )
    assert without(Passage("Milk jugs", "Milk jugs. Rinse.", ()), test_names) is None
    assert without(Passage("Tubs", "Tubs. No milk jug.", ()), test_names) is None


def test_an_answer_names_the_right_bins_cites_its_card_and_quotes_it(card_sets):
    questions = ask(card_sets["train"], 500, 3, 5, all_passages=False)
    assert {len(q.passages) for q in questions} == {1, 2, 3} == {q.relevant for q in questions}
    for q in questions:
        own = q.passages[q.relevant - 1]
        assert citations(q.answer, len(q.passages)) == (q.relevant,)
        claim, _, reason = q.answer.partition(f" [{q.relevant}].")
        assert all(stream in claim for stream in q.streams) and set(q.streams) <= set(own.bins(q.city))
        assert reason.strip() in own.text
    assert questions == ask(card_sets["train"], 500, 3, 5, all_passages=False)
    assert score_answers(questions, [q.answer for q in questions]).right_bin == 1.0


def test_scores_cover_the_written_and_the_shown_text():
    question = Question("Where does curd go?", "Toronto", (TUBS, DAIRY), 2, ("Green Bin",), "")
    texts = [
        "In Toronto, curd goes to Green Bin [2]. Scrape it out.",  # right
        "Curd goes to Blue Bin [1].",  # wrong, but supported by another card
        "Curd goes to Blue Bin [2].",  # wrong, and not supported
        "Curd goes to Green Bin.",  # right, and cites nothing
    ]
    found = score_answers([question] * 4, texts)
    assert (found.right_bin, found.cites, found.grounded, found.refused) == (0.5, 0.5, 0.5, 0.25)
    assert found.shown_right == 0.25


def test_the_commonest_bin_is_of_the_training_items(preprocessed):
    rows = preprocessed.items.query("split == 'train' and city == 'Toronto'")["stream"]
    assert commonest(preprocessed.items)["Toronto"] == rows.mode()[0]


def test_every_output_satisfies_its_contract(done):
    for name, annotation in typing.get_type_hints(AdaptOutputs, include_extras=True).items():
        check(getattr(done, name), annotation, name)


def test_the_summary_agrees_with_the_adapter(done):
    counted = sum(array.size for name, array in done.adapter.items() if name != "scaling")
    assert done.adapt.trainable == done.adapt.formula == counted and done.adapt.formula_holds
    assert any(array.any() for name, array in done.adapter.items() if name.endswith(".B"))
    assert done.adapt.merged_difference < 1e-4
    assert done.adapt.best_step in set(done.adapt_history["step"]) <= {2, 4}
    assert done.adapt.forgetting.startswith("not measured") and set(done.adapt.perplexity) == {
        "held-out cards",
        "held-out answers",
    }
    assert 1 < done.adapt.perplexity["held-out cards"].before < 100 * math.e**5
    assert f"{done.adapt.trainable:,} weights" in model_card(done.adapt) == done.adapter_card


def test_a_second_run_gives_the_same(preprocessed, small, done):
    again = adapt(
        preprocessed.cards, preprocessed.passages, preprocessed.items, params=small, progress=Progress()
    )
    assert again.adapt == done.adapt and again.adapter_card == done.adapter_card
    for name, array in done.adapter.items():
        np.testing.assert_array_equal(array, again.adapter[name])


def test_an_interrupted_run_resumes_its_training(preprocessed, small, done, tmp_path, monkeypatch):
    from methods.training import checkpoint as files
    from methods.training import loop

    class Interrupted(BaseException):
        pass

    def interrupting(*arguments):
        write(*arguments)
        raise Interrupted

    def counted(*arguments):
        updates.append(1)
        update(*arguments)

    write, update, updates = files.write, loop._update, []
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    monkeypatch.setattr("tasks.releaf.adapt.CHECKPOINT_EVERY", 3)
    monkeypatch.setattr(files, "write", interrupting)
    with pytest.raises(Interrupted):
        adapt(*tables, params=small, progress=Progress(folder=tmp_path))
    monkeypatch.setattr(files, "write", write)
    monkeypatch.setattr(loop, "_update", counted)
    resumed = adapt(*tables, params=small, progress=Progress(folder=tmp_path))
    assert len(updates) == 1  # of four, three were before the checkpoint
    assert resumed.adapt == done.adapt
    pd.testing.assert_frame_equal(resumed.adapt_history, done.adapt_history)
    for name, array in done.adapter.items():
        np.testing.assert_array_equal(array, resumed.adapter[name])


def test_the_error_names_a_missing_model_layer_or_file(preprocessed, small, tmp_path):
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    for change, message in [
        ({"model": "nosuch"}, r"releaf.adapt.model: language model 'nosuch'"),
        ({"targets": ("w_proj",)}, r"releaf.adapt.targets: the model has no layer w_proj"),
        ({"texts": str(tmp_path)}, r"releaf.adapt.texts: .*waste_answers.parquet not found"),
    ]:
        with pytest.raises(ContractError, match=message):
            adapt(*tables, params=small.model_copy(update=change), progress=Progress())


def test_the_full_tier_reads_further_texts(preprocessed, small, external_data: Callable[..., Path]):
    folder = external_data("text")
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    found = adapt(
        *tables,
        params=small.model_copy(update={"texts": str(folder), "wikitext_tokens": 300}),
        progress=Progress(),
    )
    assert found.adapt.learnt_from["texts"] == 6
    assert set(found.adapt.perplexity) >= {"waste answers", "wikitext2"}
    assert found.adapt.forgetting == "measured by the perplexity of 300 tokens of WikiText-2"
