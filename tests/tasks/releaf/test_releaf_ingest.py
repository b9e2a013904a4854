"""Ingest of the waste tables: the shipped data, every kind of broken row and card, further texts."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from statewright.contracts import ContractError
from tasks.checked import CheckResult
from tasks.releaf.ingest import Ingest, ingest, read_photos, read_rows, read_texts
from tasks.releaf.params import IngestParams

SOURCE = Path(__file__).parents[3] / "data" / "source"
ROWS = {"waste_items": 3_059, "waste_nodes": 4_841, "waste_edges": 6_912, "trashnet_features": 2_527}
CARD = {
    "id": "jar",
    "title": "Jars",
    "aliases": ["glass jar"],
    "what": "A jar.",
    "where": "Blue Bin.",
    "prepare": "Rinse it.",
    "reuse": "A vase.",
    "facts": [
        {"city": "Toronto", "item": "glass jars", "stream": "Blue Bin"},
        {"source": "item:nagai:vase", "relation": "made_of", "target": "material:glass"},
    ],
}


def texts(folder: Path, cards: object, shipped: Ingest, **params: object) -> CheckResult:
    (folder / "cards.yaml").write_text(yaml.safe_dump(cards), encoding="utf-8")
    given = IngestParams(source=str(folder), most_quarantined=0.9, **params)
    return read_texts(given, shipped.waste_items, shipped.waste_edges)


def two_cards(**changes: Any) -> list[dict[str, Any]]:
    return [CARD, CARD | {"id": "other", "title": "Other"} | changes]


def test_every_shipped_row_is_kept(shipped: Ingest) -> None:
    counts = shipped.ingest.tables
    assert {table: counts[table].rows_read for table in ROWS} == ROWS
    assert {table: counts[table].rows_kept for table in ROWS} == ROWS
    assert shipped.ingest.all_tables.rows_quarantined == 0
    source = pd.read_parquet(SOURCE / "waste_items.parquet")
    assert shipped.waste_items["stream"].tolist() == source["stream"].tolist()
    features = pd.read_parquet(SOURCE / "trashnet_features.parquet")["features"]
    assert shipped.trashnet_features["features"][700].dtype == np.float32
    np.testing.assert_array_equal(shipped.trashnet_features["features"][700], features[700])


def test_the_full_tier_and_documents_are_off_and_that_is_said(shipped: Ingest) -> None:
    assert (shipped.ingest.documents, shipped.ingest.city_texts) == (0, 0)
    assert shipped.ingest.full_tier.startswith("off")
    assert shipped.ingest.documents_from.startswith("off")
    json.loads(shipped.ingest.model_dump_json())


# Tables.


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("stream", None, "is missing where a value is required"),
        ("stream", "  ", "is blank"),
        ("city", None, "is missing where a value is required"),
        ("item", None, "is missing where a value is required"),
    ],
)
def test_a_broken_item_goes_to_quarantine(tmp_path: Path, column: str, value: object, reason: str) -> None:
    items = pd.read_parquet(SOURCE / "waste_items.parquet").head(50).astype(object)
    items.loc[7, column] = value
    items.to_parquet(tmp_path / "waste_items.parquet")
    found = read_rows("waste_items", IngestParams(source=str(tmp_path)))
    assert (len(found.kept), found.rows) == (49, 50)
    [fault] = found.faults.to_dict("records")
    assert (fault["table"], fault["row"], fault["column"], fault["reason"]) == (
        "waste_items",
        7,
        column,
        reason,
    )


def test_nan_streams_in_csv_and_a_repeated_row(tmp_path: Path) -> None:
    items = pd.read_parquet(SOURCE / "waste_items.parquet").head(20)
    items.loc[3, "stream"] = np.nan
    pd.concat([items, items.iloc[[5]]]).to_csv(tmp_path / "waste_items.csv", index=False)
    found = read_rows("waste_items", IngestParams(source=str(tmp_path)))
    assert found.faults[["row", "column"]].to_numpy().tolist() == [[3, "stream"], [20, "item, city, stream"]]
    assert found.faults["reason"].iloc[1] == "repeats the key of row 5"


def test_a_missing_column_names_file_and_column(tmp_path: Path) -> None:
    pd.read_parquet(SOURCE / "waste_items.parquet").drop(columns="stream").to_parquet(
        tmp_path / "waste_items.parquet"
    )
    with pytest.raises(ContractError, match=r"waste_items.parquet: column 'stream' is missing"):
        read_rows("waste_items", IngestParams(source=str(tmp_path)))


def test_a_missing_table_names_the_params_of_this_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"releaf\.ingest\.tables"):
        read_rows("waste_items", IngestParams(source=str(tmp_path)))


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ContractError, match="there is no table 'waste_item'"):
        ingest(params=IngestParams(source=str(SOURCE), tables={"waste_item": "x.csv"}))


def test_duplicate_nodes_and_edges_to_nowhere(tmp_path: Path) -> None:
    nodes = pd.read_parquet(SOURCE / "waste_nodes.parquet").head(30)
    pd.concat([nodes, nodes.iloc[[4]]]).to_parquet(tmp_path / "waste_nodes.parquet")
    params = IngestParams(source=str(tmp_path))
    found = read_rows("waste_nodes", params)
    assert found.faults[["row", "column"]].to_numpy().tolist() == [[30, "node_id"]]
    ids = found.kept["node_id"].tolist()
    edges = pd.DataFrame(
        {
            "src": ids[:4],
            "dst": [*ids[4:7], "nowhere"],
            "relation": "r",
            "source": "s",
            "weight": [1.0, -1.0, 2.0, 1.0],
        }
    )
    edges.to_parquet(tmp_path / "waste_edges.parquet")
    found = read_rows("waste_edges", params, set(ids))
    assert found.faults[["row", "column", "value", "reason"]].to_numpy().tolist() == [
        [1, "weight", "-1.0", "is below 0"],
        [3, "dst", "nowhere", "is no node of waste_nodes"],
    ]


def test_photographs_with_broken_features(tmp_path: Path) -> None:
    photos = pd.read_parquet(SOURCE / "trashnet_features.parquet").head(20)
    features = list(photos["features"])
    features[2] = features[2][:7]
    features[3] = np.full(1280, np.nan, "float16")
    features[4] = None
    photos["features"] = features
    photos.loc[5, "label"] = "wood"
    photos.loc[6, "picture"] = photos.loc[0, "picture"]
    photos.to_parquet(tmp_path / "trashnet_features.parquet")
    found = read_photos(IngestParams(source=str(tmp_path)))
    assert found.faults[["row", "column"]].to_numpy().tolist() == [
        [2, "features"],
        [3, "features"],
        [4, "features"],
        [5, "label"],
        [6, "picture"],
    ]
    assert found.kept["picture"].tolist() == photos["picture"].drop(index=[2, 3, 4, 5, 6]).tolist()
    np.testing.assert_array_equal(found.kept["features"][2], features[7])


def test_photographs_are_no_csv(tmp_path: Path) -> None:
    pd.read_parquet(SOURCE / "trashnet_features.parquet").head(3).to_csv(tmp_path / "trashnet_features.csv")
    with pytest.raises(ContractError, match="expected a Parquet file"):
        read_photos(IngestParams(source=str(tmp_path)))


# Cards.


def test_a_whole_card_is_kept_with_its_facts(tmp_path: Path, shipped: Ingest) -> None:
    found = texts(tmp_path, two_cards(), shipped)
    assert found.faults.empty
    first = found.kept.iloc[0]
    assert first["facts"] == ["Toronto|glass jars|Blue Bin"]
    assert first["links"] == ["item:nagai:vase|made_of|material:glass"]
    assert (first["kind"], first["where"], first["aliases"]) == ("card", "Blue Bin.", ["glass jar"])


@pytest.mark.parametrize(
    ("fact", "column"),
    [
        ({"city": "Toronto", "item": "glass jars", "stream": "Garbage"}, "facts"),
        ({"city": "Atlantis", "item": "glass jars", "stream": "Blue Bin"}, "facts"),
        ({"source": "item:nagai:vase", "relation": "made_of", "target": "material:cheese"}, "links"),
    ],
)
def test_a_card_with_an_unknown_fact_is_set_aside_with_card_and_fact(
    tmp_path: Path, shipped: Ingest, fact: dict[str, str], column: str
) -> None:
    found = texts(tmp_path, two_cards(facts=[CARD["facts"][0], fact]), shipped)
    assert found.kept["card_id"].tolist() == ["jar"]
    [fault] = found.faults.to_dict("records")
    assert (fault["table"], fault["row"], fault["column"], fault["value"]) == (
        "waste_cards",
        1,
        column,
        "other",
    )
    assert "|".join(fact.values()) in fault["reason"]


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"id": "jar"}, "card_id", "repeats the key of row 0"),
        ({"where": None}, "where", "is missing where a value is required"),
        ({"where": " "}, "where", "is blank"),
        ({"reuse": 5}, "reuse", "is not text"),
        ({"aliases": "jar"}, "aliases", "is not a list of texts"),
        ({"facts": []}, "facts", "is not a list of facts with at least one"),
        ({"facts": "none"}, "facts", "is not a list of facts with at least one"),
        ({"facts": [{"city": "Toronto"}]}, "facts", "has a fact that is neither"),
        ({"wear": "x"}, "card_id", "has the unknown key 'wear'"),
    ],
)
def test_a_broken_card_is_set_aside(
    tmp_path: Path, shipped: Ingest, changes: dict[str, Any], column: str, reason: str
) -> None:
    found = texts(tmp_path, two_cards(**changes), shipped)
    assert len(found.kept) == 1
    [fault] = found.faults.to_dict("records")
    assert fault["column"] == column
    assert fault["reason"].startswith(reason)


def test_a_card_that_is_no_mapping_is_set_aside(tmp_path: Path, shipped: Ingest) -> None:
    found = texts(tmp_path, [CARD, "a jar"], shipped)
    assert len(found.kept) == 1
    assert "is no card but str" in found.faults["reason"].tolist()
    assert set(found.faults["value"]) == {"(no id)"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: jar\n", "found dict, expected a list of cards"),
        ("", "found nothing, expected a list of cards"),
        ("just words", "found str"),
        ("- id: [jar\n", "is no YAML"),
        ("- !!python/object/apply:os.system ['true']\n", "is no YAML"),
    ],
)
def test_a_file_that_is_no_list_of_cards_is_refused(
    tmp_path: Path, shipped: Ingest, text: str, words: str
) -> None:
    (tmp_path / "cards.yaml").write_text(text)
    with pytest.raises(ContractError, match=words) as error:
        read_texts(IngestParams(source=str(tmp_path)), shipped.waste_items, shipped.waste_edges)
    assert "\n" not in str(error.value)


def test_missing_and_mostly_broken_cards_are_refused(tmp_path: Path, shipped: Ingest) -> None:
    params = IngestParams(source=str(tmp_path))
    with pytest.raises(ContractError, match=r"cards\.yaml not found"):
        read_texts(params, shipped.waste_items, shipped.waste_edges)
    (tmp_path / "cards.yaml").write_text(
        yaml.safe_dump([CARD, *[CARD | {"id": f"c{n}", "facts": []} for n in range(3)]])
    )
    with pytest.raises(ContractError, match=r"75% of its 4 rows .* raise releaf\.ingest\.most_quarantined"):
        read_texts(params, shipped.waste_items, shipped.waste_edges)


# Further texts.


def test_documents_of_a_user_become_cards(tmp_path: Path, shipped: Ingest) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# Skips\n\nA skip is\nfor rubble.\n")
    (folder / "deep" / "b.txt").write_text("Plain words.")
    (folder / "c.pdf").write_bytes(b"%PDF")
    found = texts(tmp_path, two_cards(), shipped, documents=str(folder))
    rows = found.kept[found.kept["kind"] == "document"]
    assert rows["card_id"].tolist() == ["document:a.md", "document:deep/b.txt"]
    assert rows["title"].tolist() == ["Skips", "b"]
    assert rows["what"].tolist() == ["# Skips A skip is for rubble.", "Plain words."]
    assert rows["where"].isna().all()


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_documents_is_refused(tmp_path: Path, shipped: Ingest, made: bool) -> None:
    folder = tmp_path / "docs"
    if made:
        folder.mkdir()
        (folder / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(ContractError, match=r"docs holds no \.md or \.txt file"):
        texts(tmp_path, two_cards(), shipped, documents=str(folder))


def test_documents_that_cannot_be_read_are_set_aside(tmp_path: Path, shipped: Ingest) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "b.txt").write_text("Plain words.")
    (folder / os.fsdecode(b"b\xff.txt")).write_text("Other words.")
    (folder / "deep" / "c.md").write_bytes(b"x" * 2_000_001)
    found = texts(tmp_path, two_cards(), shipped, documents=str(folder))
    assert found.kept["card_id"].tolist()[2:] == ["document:b.txt", "document:b\\udcff.txt"]
    assert found.kept["title"].tolist()[2:] == ["b", "b\\udcff"]
    assert found.faults[["row", "column", "value", "reason"]].to_numpy().tolist() == [
        [2, "what", "document:a.txt", "is not UTF-8; save it as UTF-8, e.g. iconv -f latin1 -t utf-8"],
        [
            5,
            "what",
            "document:deep/c.md",
            "has more than 2,000,000 bytes; divide it into shorter documents",
        ],
    ]


def test_an_empty_document_is_set_aside(tmp_path: Path, shipped: Ingest) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text(" \n")
    found = texts(tmp_path, two_cards(), shipped, documents=str(folder))
    assert found.faults[["column", "value", "reason"]].to_numpy().tolist() == [
        ["what", "document:a.txt", "is blank"]
    ]


def test_city_texts_of_the_full_tier(tmp_path: Path, shipped: Ingest) -> None:
    folder = tmp_path / "full" / "waste"
    folder.mkdir(parents=True)
    made = {
        "toronto_waste_wizard": ("entry_id", "title", "body_text"),
        "king_county_materials": ("item_id", "material", "description"),
        "nagai_items": ("item_id", "name", "instructions"),
        "sault_ste_marie_items": ("item_key", "item_name", "long_description"),
    }
    for table, columns in made.items():
        rows = [
            dict(zip(columns, row, strict=True)) for row in (("1", "Jar", "Rinse  it."), ("2", "Tin", None))
        ]
        pd.DataFrame(rows).to_parquet(folder / f"{table}.parquet")
    found = texts(tmp_path, two_cards(), shipped, full=str(tmp_path / "full"))
    rows = found.kept[found.kept["kind"] == "city"]
    assert rows["card_id"].tolist() == [f"{table}:1" for table in made]
    assert set(rows["what"]) == {"Rinse it."}
    shutil.rmtree(folder)
    with pytest.raises(ContractError, match="not found"):
        texts(tmp_path, two_cards(), shipped, full=str(tmp_path / "full"))
