"""The adapter's stage: what it may learn from, what it says, and that it says it twice."""

from __future__ import annotations

import math
import os
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.language.grounding import citations
from methods.language.prompt import Passage
from statewright.contracts import ContractError, check
from tasks.releaf.adapt import AdaptOutputs, adapt
from tasks.releaf.adapter.examples import Asked, Shelf, ask, commonest, names_of, shelve, without
from tasks.releaf.adapter.scores import model_card, score_answers
from tasks.releaf.catalogue.names import split_of
from tasks.releaf.params import AdaptParams

pytestmark = pytest.mark.slow

SHARED = Path(os.environ.get("STATEWRIGHT_SHARED") or Path(__file__).parents[4] / "shared")
SHARES = {"dev_share": 0.15, "test_share": 0.2, "salt": "releaf"}
TUBS = Passage("Tubs", "Tubs. Rinse them.", ("Toronto: Blue Bin", "Toronto: Garbage"))
DAIRY = Passage("Dairy food", "Dairy food. Scrape it out.", ("Toronto: Green Bin",))


@pytest.fixture(scope="module")
def shelves(preprocessed) -> dict[str, Shelf]:
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    return {split: shelve(*tables, split, **SHARES) for split in ("train", "dev", "test")}


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
    return adapt(preprocessed.cards, preprocessed.passages, preprocessed.items, params=small)


def test_nothing_to_learn_from_names_a_test_item(shelves, preprocessed):
    """Every training text and question, and every test name, by a search of its own."""
    rows = preprocessed.items.query("split == 'test'")
    names = {*rows["name"].str.lower(), *rows["family"]}
    for split in ("train", "dev"):
        asked = ask(shelves[split], 500, 3, 0, all_passages=True)
        texts = [
            *shelves[split].texts,
            *(text for one in asked for text in (one.question, *(p.text for p in one.passages))),
            *(one.answer.partition(" goes to ")[0] for one in asked),
        ]
        words = [
            f" {' '.join(''.join(c if c.isalnum() else ' ' for c in t.lower()).split())} " for t in texts
        ]
        plain = [f" {' '.join(''.join(c if c.isalnum() else ' ' for c in n).split())} " for n in names]
        # Punctuation may join two sentences into a name; those with a word between are what must not be.
        single = [name for name in plain if len(name.split()) == 1]
        assert len(single) > 100 and asked
        assert not [(name, text) for text in words for name in single if name in text]


def test_cards_are_in_one_split_by_their_hash(shelves, preprocessed):
    held = {split: set(shelf.passages) for split, shelf in shelves.items()}
    assert sum(map(len, held.values())) == len(set().union(*held.values()))
    for split, cards in held.items():
        assert all(split_of(card, 0.15, 0.2, "releaf") == split for card in cards)
    items = preprocessed.items.set_index(["city", "name"])["split"].groupby(level=[0, 1]).first()
    assert all(items[city, name] == "test" for _, name, city, _ in shelves["test"].things)
    assert all(items[city, name] != "test" for _, name, city, _ in shelves["train"].things)


def test_a_name_is_found_as_a_phrase_and_in_the_plural():
    items = pd.DataFrame(
        {"split": ["test", "train"], "family": ["milk jug", "tub"], "name": ["Milk jug", "tub"]}
    )
    secret = names_of(items, "test")
    assert secret.search("Old milk jugs.") and not secret.search("milk, jug") and not secret.search("tub")
    assert without(Passage("Tubs", "Tubs, milk jug. Rinse. No milk jugs.", ()), secret).text == "Tubs. Rinse."
    assert without(Passage("Milk jugs", "Milk jugs. Rinse.", ()), secret) is None
    assert without(Passage("Tubs", "Tubs. No milk jug.", ()), secret) is None


def test_an_answer_names_the_right_bins_cites_its_card_and_quotes_it(shelves):
    asked = ask(shelves["train"], 500, 3, 5, all_passages=False)
    assert {len(one.passages) for one in asked} == {1, 2, 3} and {one.relevant for one in asked} == {1, 2, 3}
    for one in asked:
        own = one.passages[one.relevant - 1]
        assert citations(one.answer, len(one.passages)) == (one.relevant,)
        claim, _, reason = one.answer.partition(f" [{one.relevant}].")
        assert all(stream in claim for stream in one.streams) and set(one.streams) <= set(own.bins(one.city))
        assert reason.strip() in own.text
    assert asked == ask(shelves["train"], 500, 3, 5, all_passages=False)
    assert score_answers(asked, [one.answer for one in asked]).right_bin == 1.0


def test_scores_are_of_what_is_written_and_of_what_is_shown():
    one = Asked("Where does curd go?", "Toronto", (TUBS, DAIRY), 2, ("Green Bin",), "")
    texts = [
        "In Toronto, curd goes to Green Bin [2]. Scrape it out.",  # right
        "Curd goes to Blue Bin [1].",  # wrong, and borne out by another card
        "Curd goes to Blue Bin [2].",  # wrong, and not borne out
        "Curd goes to Green Bin.",  # right, and cites nothing
    ]
    found = score_answers([one] * 4, texts)
    assert (found.right_bin, found.cites, found.grounded, found.refused) == (0.5, 0.5, 0.5, 0.25)
    assert found.shown_right == 0.25


def test_the_commonest_bin_is_of_the_training_items(preprocessed):
    rows = preprocessed.items.query("split == 'train' and city == 'Toronto'")["stream"]
    assert commonest(preprocessed.items)["Toronto"] == rows.mode()[0]


def test_every_output_keeps_its_contract(done):
    for name, annotation in typing.get_type_hints(AdaptOutputs, include_extras=True).items():
        check(getattr(done, name), annotation, name)


def test_figures_agree_with_the_adapter(done):
    counted = sum(array.size for name, array in done.adapter.items() if name != "scaling")
    assert done.adapt.trainable == done.adapt.formula == counted and done.adapt.formula_holds
    assert any(array.any() for name, array in done.adapter.items() if name.endswith(".B"))
    assert done.adapt.merged_difference < 1e-4
    assert done.adapt.best_step in set(done.adapt_history["step"]) <= {2, 4}
    assert done.adapt.forgetting.startswith("off") and set(done.adapt.perplexity) == {
        "held-out cards",
        "held-out answers",
    }
    assert 1 < done.adapt.perplexity["held-out cards"].before < 100 * math.e**5
    assert f"{done.adapt.trainable:,} weights" in model_card(done.adapt) == done.adapter_card


def test_twice_is_the_same(preprocessed, small, done):
    again = adapt(preprocessed.cards, preprocessed.passages, preprocessed.items, params=small)
    assert again.adapt == done.adapt and again.adapter_card == done.adapter_card
    for name, array in done.adapter.items():
        np.testing.assert_array_equal(array, again.adapter[name])


def test_what_is_missing_is_named(preprocessed, small, tmp_path):
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    for change, message in [
        ({"model": "nosuch"}, r"releaf.adapt.model: language model 'nosuch'"),
        ({"targets": ("w_proj",)}, r"releaf.adapt.targets: the model has no layer w_proj"),
        ({"texts": str(tmp_path)}, r"releaf.adapt.texts: .*waste_answers.parquet is not there"),
    ]:
        with pytest.raises(ContractError, match=message):
            adapt(*tables, params=small.model_copy(update=change))


def test_the_full_tier_reads_further_texts(preprocessed, small):
    folder = SHARED / "data" / "text"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; STATEWRIGHT_SHARED names the folder that holds data/text")
    tables = (preprocessed.cards, preprocessed.passages, preprocessed.items)
    found = adapt(*tables, params=small.model_copy(update={"texts": str(folder), "wikitext_tokens": 300}))
    assert found.adapt.learnt_from["texts"] == 6
    assert set(found.adapt.perplexity) >= {"waste answers", "wikitext2"}
    assert found.adapt.forgetting == "perplexity.wikitext2, 300 tokens"
