"""Stage releaf-preprocess: names, streams, split, passages, graph, photographs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shipped import shipped_params

from statewright.contracts import check
from tasks.releaf.catalogue.names import KINDS, family, fold, kind_of, split_of, united
from tasks.releaf.ingest import IngestOutputs
from tasks.releaf.params import PreprocessParams
from tasks.releaf.preprocess import PreprocessOutputs, divide, preprocess, without_twins

SHARES = (0.1, 0.3, "releaf")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Glass Bottles", "glass bottle"),
        ("Batteries", "battery"),
        ("Café", "cafe"),
        ("Food scraps / raw waste", "food scrap raw waste"),
        ("boxes", "box"),
        ("Keyboard（computer）", "keyboard (computer)"),
    ],
)
def test_spellings_of_one_name_have_one_folded_form(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("glass", "gla"), ("bus", "bu"), ("kitty litter (organic)", "kitty litter"), ("gas", "ga")],
)
def test_different_names_have_different_folded_forms(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_a_family_has_no_brackets_of_either_width() -> None:
    assert family("Keyboard（computer）") == family("keyboards") == "keyboard"
    assert family("(all)") != ""


@given(st.text(min_size=1, max_size=40))
def test_folding_ignores_case_and_punctuation_and_is_never_empty(name: str) -> None:
    assert fold(name) or not name.strip()
    assert fold(f" ...{name}!") == fold(name) or not any(letter.isalnum() for letter in name)
    if name.isascii():
        assert fold(name.upper()) == fold(name.lower()) == fold(name)


def test_every_shipped_stream_has_a_class(preprocessed: PreprocessOutputs) -> None:
    assert "other" not in set(preprocessed.items["kind"])
    assert kind_of("no such stream") == "other"
    assert kind_of("Recyclable (cloth)") == "recycling"
    assert set(KINDS.values()) >= set(preprocessed.items["kind"])


def test_streams_are_unified_by_city_and_kept_as_published(preprocessed: PreprocessOutputs) -> None:
    assert united("Nagai", "Recyclable（cans）") == "Recyclable (empty cans)"
    assert united("Seattle", "Recyclable (cans)") == "Recyclable (cans)"
    items = preprocessed.items
    changed = items[items["stream"] != items["city_stream"]]
    assert set(zip(changed["city_stream"], changed["stream"], strict=True)) == {
        ("Christmas Tree", "Yard Waste"),
        ("Recyclable (Wastepaper)", "Recyclable (used paper)"),
        ("Recyclable (cans)", "Recyclable (empty cans)"),
        ("Recyclable (glass bottles)", "Recyclable (empty glass bottles)"),
        ("Recyclable (open glass bottles)", "Recyclable (empty glass bottles)"),
    }
    assert preprocessed.preprocess.streams_united == len(changed) == 5
    assert items.groupby("city")["stream"].nunique().to_dict() == {"Nagai": 13, "Seattle": 6, "Toronto": 10}


# The split.


def test_a_name_is_in_one_split_in_every_city_and_every_form(preprocessed: PreprocessOutputs) -> None:
    items = preprocessed.items
    assert (items.groupby("family")["split"].nunique() == 1).all()
    # Several cities share names, otherwise the assertion above proves nothing.
    assert (items.groupby("family")["city"].nunique() > 1).sum() > 100
    assert items["name"].map(family).equals(items["family"])


def test_the_shares_of_the_split_are_as_requested(preprocessed: PreprocessOutputs) -> None:
    families = preprocessed.items.drop_duplicates("family")
    shares = families["split"].value_counts(normalize=True)
    # Three standard deviations of a share of 2,736 names.
    for name, share in (("train", 0.6), ("dev", 0.1), ("test", 0.3)):
        assert abs(shares[name] - share) < 3 * (share * (1 - share) / len(families)) ** 0.5


def test_the_split_does_not_depend_on_other_rows(
    shipped: IngestOutputs, preprocessed: PreprocessOutputs
) -> None:
    few = shipped.waste_items.iloc[::-7].reset_index(drop=True)
    cards = shipped.waste_cards.iloc[:0]
    part = preprocess(
        few, *shipped[1:4], cards, params=shipped_params(PreprocessParams, "releaf.preprocess")
    ).items.set_index("item_id")["split"]
    whole = preprocessed.items.set_index("item_id")["split"]
    assert part.equals(whole[part.index])
    assert split_of("glass jar", *SHARES) == split_of("glass jar", *SHARES)
    drawn = [split_of(f"name {n}", 0.1, 0.3, "another") for n in range(400)]
    assert drawn != [split_of(f"name {n}", *SHARES) for n in range(400)]


def test_a_split_without_training_share_is_an_error() -> None:
    with pytest.raises(ValueError, match="a share remains for training"):
        shipped_params(PreprocessParams, "releaf.preprocess", dev_share=0.5, test_share=0.5)


def test_items_of_two_streams_have_two_rows_and_duplicates_one(
    shipped: IngestOutputs, preprocessed: PreprocessOutputs
) -> None:
    items, report = preprocessed.items, preprocessed.preprocess
    batteries = items[(items["city"] == "Nagai") & (items["name"] == "Batteries")]
    assert set(batteries["stream"]) == {"Hazardous", "Not collectable"}
    keys = shipped.waste_items.assign(
        stream=[
            united(c, s)
            for c, s in zip(shipped.waste_items["city"], shipped.waste_items["stream"], strict=True)
        ],
        folded=shipped.waste_items["item"].map(fold),
    )[["city", "folded", "stream"]]
    assert len(items) == len(keys.drop_duplicates()) == len(keys) - report.items_repeated
    assert report.items_repeated > 0


# Cards and passages.


def test_cards_point_to_the_items_and_streams_of_their_facts(preprocessed: PreprocessOutputs) -> None:
    items = preprocessed.items.set_index("item_id")
    cards = preprocessed.cards.set_index("card_id")
    for card in cards.itertuples():
        assert set(card.item_ids) <= set(items.index)
        found = items.loc[list(card.item_ids)]
        assert set(found["city"] + ": " + found["stream"]) == set(card.streams)
    cited = {item for ids in cards["item_ids"] for item in ids}
    assert cited == set(items.index[items["cited"]])
    assert preprocessed.preprocess.items_cited == len(cited)
    assert "Toronto: Yard Waste" in cards.loc["christmas-tree", "streams"]


def test_each_part_gives_one_passage_that_begins_with_the_title(preprocessed: PreprocessOutputs) -> None:
    passages = preprocessed.passages.set_index("passage_id")
    assert len(passages) == 4 * len(preprocessed.cards)
    text = passages.loc["glass-bottle-jar#where", "text"]
    assert text.startswith("Glass bottles and jars, glass jar, ")
    assert text.endswith(preprocessed.cards.set_index("card_id").loc["glass-bottle-jar", "where"])
    assert passages.loc["glass-bottle-jar#reuse", "text"].startswith("Glass bottles and jars. New bottles")


@given(st.integers(0, 500), st.integers(20, 130))
def test_a_long_part_is_divided_into_equal_pieces_without_loss(words: int, most: int) -> None:
    text = " ".join(f"w{n}" for n in range(words))
    row = {"card_id": "d", "title": "T", "aliases": [], "what": text, "where": "", "prepare": "", "reuse": ""}
    passages = divide(pd.DataFrame([row]), most)
    bodies = [passage.removeprefix("T. ") for passage in passages["text"]]
    lengths = [len(body.split()) for body in bodies]
    assert " ".join(bodies) == text
    assert not lengths or max(lengths) <= most
    assert not lengths or max(lengths) - min(lengths) <= 1
    assert passages["passage_id"].is_unique


# The graph.


def test_the_numbered_graph_equals_the_source_graph(
    shipped: IngestOutputs, preprocessed: PreprocessOutputs
) -> None:
    nodes, links = preprocessed.nodes, preprocessed.links
    assert nodes["index"].tolist() == list(range(len(shipped.waste_nodes)))
    names = nodes["node"].to_numpy()
    stated = links[links["stated"]]
    back = set(zip(names[stated["source"]], names[stated["target"]], stated["relation"], strict=True))
    edges = shipped.waste_edges
    assert back == set(zip(edges["src"], edges["dst"], edges["relation"], strict=True))


def test_equal_names_link_the_lists_of_the_cities(preprocessed: PreprocessOutputs) -> None:
    nodes, links = preprocessed.nodes, preprocessed.links
    derived = links[~links["stated"]]
    assert set(derived["relation"]) == {"same_name"}
    assert (derived["source"] < derived["target"]).all()
    names = nodes["node"].to_numpy()
    pairs = set(zip(names[derived["source"]], names[derived["target"]], strict=True))
    assert ("item:seattle:drinking-glasses", "item:toronto:drinking-glass") in pairs
    assert ("item:nagai:bottle-cap", "off:shapes:en:bottle-cap") in pairs
    # Independent of `fold`: all names with equal letters are linked.
    kinds = nodes["node_type"].isin(["item", "material", "shape"])
    equal = nodes[kinds].assign(name=nodes["name"].str.lower()).groupby("name")["node"].agg(list)
    city = dict(zip(nodes["node"], nodes["node"].str.split(":").str[1], strict=True))
    for same in equal[equal.str.len() > 1]:
        first, *others = sorted(same)
        assert all((first, other) in pairs for other in others if city[other] != city[first])


def test_row_order_has_no_effect_and_same_name_is_marked(
    shipped: IngestOutputs, preprocessed: PreprocessOutputs
) -> None:
    edges = shipped.waste_edges.iloc[::-1].reset_index(drop=True)
    nodes = shipped.waste_nodes.sample(frac=1, random_state=1).reset_index(drop=True)
    again = preprocess(
        shipped[0], nodes, edges, *shipped[3:5], params=shipped_params(PreprocessParams, "releaf.preprocess")
    )
    pd.testing.assert_frame_equal(again.nodes, preprocessed.nodes)
    pd.testing.assert_frame_equal(again.links, preprocessed.links)
    edges.loc[0, "relation"] = "same_name"
    marked = preprocess(
        shipped[0], nodes, edges, *shipped[3:5], params=shipped_params(PreprocessParams, "releaf.preprocess")
    )
    assert marked.preprocess.links_not_stated == preprocessed.preprocess.links_not_stated + 1
    assert set(marked.links.loc[~marked.links["stated"], "relation"]) == {"same_name"}


# The photographs.


def test_no_training_photograph_is_a_copy_of_a_held_out_one(preprocessed: PreprocessOutputs) -> None:
    photos, left_out = preprocessed.photos, preprocessed.preprocess.photos_left_out
    # glass176 equals plastic152 (test), and glass389 equals plastic332 (val).
    assert {"glass176.jpg", "glass389.jpg"} <= set(left_out.twin_of_held_out)
    assert left_out.two_labels == ["glass115.jpg", "metal91.jpg"]
    assert photos["split"].value_counts().drop("train").to_dict() == {"test": 431, "val": 328}
    assert len(photos) == 2527 - len(left_out.twin_of_held_out) - 2
    vectors = np.stack(list(photos["features"])).astype("float64")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    train = (photos["split"] == "train").to_numpy()
    assert (vectors[train] @ vectors[~train].T).max() < 0.97


def test_copies_on_synthetic_photographs() -> None:
    base = np.eye(1280, dtype="float32")
    photos = pd.DataFrame(
        {
            "picture": list("abcdef"),
            "label": ["glass", "glass", "metal", "paper", "paper", "glass"],
            "split": ["train", "test", "train", "train", "train", "val"],
            # a equals b (test); c and d are one picture with two labels; e and f are unique.
            "features": [base[0], 3 * base[0], base[1], base[1], base[2], base[3]],
        }
    )
    kept, left_out = without_twins(photos, 0.97)
    assert kept["photo_id"].tolist() == ["b", "e", "f"]
    assert (left_out.twin_of_held_out, left_out.two_labels) == (["a"], ["c", "d"])


# All tables.


def test_tables_satisfy_their_contracts_and_a_second_run_is_equal(
    shipped: IngestOutputs, preprocessed: PreprocessOutputs
) -> None:
    from statewright.contracts import Table
    from tasks.releaf.contracts import tables

    for name in ("items", "cards", "passages", "nodes", "links", "photos"):
        check(getattr(preprocessed, name), Table[getattr(tables, name.capitalize())], name)
    again = preprocess(*shipped[:5], params=shipped_params(PreprocessParams, "releaf.preprocess"))
    for one, other in zip(preprocessed[:5], again[:5], strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert preprocessed.preprocess == again.preprocess
    split = preprocessed.preprocess.split
    assert sum(split.values()) == preprocessed.preprocess.items
    assert all(high > low for low, high in pairwise(sorted(split.values())))
