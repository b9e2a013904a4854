"""Stage releaf-vision on the shipped features, and on a few drawn photographs."""

from __future__ import annotations

import io
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from shipped import shipped_params
from sklearn.metrics import accuracy_score, f1_score, recall_score

from releaf.bins import BINS, bin_of
from statewright.contracts import ContractError, check
from tasks.releaf.catalogue.names import united
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.params import VisionParams
from tasks.releaf.photographs.full_tier import read_photographs
from tasks.releaf.vision import VisionOutputs, vision

SOURCE = Path(__file__).parents[3] / "data" / "source"
SMALL = shipped_params(
    VisionParams,
    "releaf.vision",
    epochs=6,
    hidden=32,
    batch_size=128,
    learning_rate=4e-3,
    average=0.8,
    seeds=[0, 1],
)


@pytest.fixture(scope="module")
def photos() -> pd.DataFrame:
    """Every photograph that ships, in the contract of the stage."""
    return pd.read_parquet(SOURCE / "trashnet_features.parquet").rename(columns={"picture": "photo_id"})


@pytest.fixture(scope="module")
def done(photos) -> VisionOutputs:
    return vision(photos, params=SMALL)


def test_every_output_satisfies_its_contract(done):
    for name, annotation in typing.get_type_hints(VisionOutputs, include_extras=True).items():
        check(getattr(done, name), annotation, name)


def test_scores_agree_with_the_predictions(done):
    rows = done.vision_predictions[done.vision_predictions["split"] == "test"]
    assert len(rows) == 431
    assert done.vision.test.accuracy == pytest.approx(accuracy_score(rows["label"], rows["found"]), abs=1e-5)
    recall = recall_score(rows["label"], rows["found"], labels=MATERIALS, average=None)
    assert list(done.vision.recall.values()) == pytest.approx(list(recall), abs=1e-5)
    scores = done.vision_scores.query("split == 'test' and model == 'all'")
    f1 = f1_score(rows["label"], rows["found"], labels=MATERIALS, average=None)
    assert list(scores["f1"]) == pytest.approx(list(f1), abs=1e-5)
    counts = done.vision_confusion.set_index(["label", "found"])["photos"]
    assert counts.sum() == 431 and counts["glass", "metal"] == len(
        rows.query("label == 'glass' and found == 'metal'")
    )
    # Six epochs are too few for the accuracy of the stage; chance is 25 %.
    assert done.vision.test.accuracy > 0.8


def test_probabilities_sum_to_one_and_bins_follow_the_table(done):
    rows = done.vision_predictions
    assert np.allclose(rows[[f"p_{name}" for name in MATERIALS]].sum(axis=1), 1, atol=1e-4)
    for city in BINS:
        assert list(rows[f"bin_{city}"]) == [bin_of(city, found) for found in rows["found"]]
    assert done.vision.heads_off == {"item": "no label in the training rows"}


def test_the_result_does_not_depend_on_the_order_of_rows(photos, done):
    again = vision(photos.sample(frac=1, random_state=1), params=SMALL)
    for name in done.vision_model:
        assert np.array_equal(done.vision_model[name], again.vision_model[name])
    assert again.vision == done.vision


def test_labels_of_the_test_split_change_no_weight_and_no_temperature(photos, done):
    wrong = photos.assign(label=photos["label"].where(photos["split"] != "test", "trash"))
    other = vision(wrong, params=SMALL)
    for name in done.vision_model:
        assert np.array_equal(done.vision_model[name], other.vision_model[name])


def test_a_split_without_photographs_is_an_error(photos):
    with pytest.raises(ContractError, match="split val"):
        vision(photos[photos["split"] != "val"], params=SMALL)


def test_every_bin_is_in_the_list_of_its_city():
    items = pd.read_parquet(SOURCE / "waste_items.parquet")
    known = {
        (city, name, united(city, stream))
        for city, name, stream in zip(items["city"], items["item"], items["stream"], strict=True)
    }
    assert set(BINS) == set(items["city"])
    for city, table in BINS.items():
        assert set(table) == set(MATERIALS)
        for name, stream in table.values():
            assert (city, name, stream) in known


COLOURS = ("red", "lime", "blue", "yellow", "white", "black")


def drawn(colour: str, size: tuple[int, int] = (48, 32)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path) -> tuple[Path, pd.DataFrame]:
    """A table of 36 drawn photographs, a colour for each material, and their rows."""
    names = [f"{label}{number}.jpg" for number in range(6) for label in MATERIALS]
    labels = [label for _ in range(6) for label in MATERIALS]
    images = [drawn(COLOURS[MATERIALS.index(label)]) for label in labels]
    path = tmp_path / "photographs.parquet"
    pd.DataFrame({"file": names, "image": images}).to_parquet(path)
    splits = ["train"] * 24 + ["val"] * 6 + ["test"] * 6
    rows = {"photo_id": names, "label": labels, "split": splits, "features": [np.zeros(2)] * 36}
    return path, pd.DataFrame(rows)


def test_the_stage_trains_on_photographs_too(folder):
    path, rows = folder
    params = {"height": 32, "width": 64, "frozen": 14, "views": 2, "mix": 0.0, "photographs": str(path)}
    own = {"seeds": [0], "batch_size": 6, "learning_rate": 1e-2, "average": 0.5, "epochs": 20, "hidden": 0}
    found = vision(rows, params=shipped_params(VisionParams, "releaf.vision", **params, with_photographs=own))
    # The settings in with_photographs apply: one layer, one seed, at most 20 epochs.
    assert found.vision_model["seed_0.heads.heads.material.weight"].shape == (6, 1280)
    assert len(found.vision.accuracy_seeds) == 1 and len(found.vision_history) <= 20
    assert found.vision.tier == "photographs" and found.vision.parameters_trained > 500_000
    assert found.vision.test.accuracy == 1.0


def test_with_photographs_applies_only_if_photographs_is_set():
    block = yaml.safe_load((SOURCE.parents[1] / "params.yaml").read_text())["releaf"]["vision"]
    shipped = VisionParams.model_validate({**block, "photographs": None})
    assert shipped.used() is shipped
    full = VisionParams.model_validate({**block, "photographs": "x.parquet"}).used().model_dump()
    plain = shipped.model_dump()
    differ = {key: value for key, value in full.items() if plain[key] != value}
    assert differ == {**block["with_photographs"], "photographs": "x.parquet", "with_photographs": {}}
    for wrong in ({"epoch": 3}, {"epochs": 0}, {"photographs": "y.parquet"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            shipped_params(VisionParams, "releaf.vision", with_photographs=wrong)


def test_the_error_names_a_missing_or_damaged_photograph(folder, tmp_path):
    path, _ = folder
    assert read_photographs(path, ["glass0.jpg", "metal0.jpg"]).shape == (2, 32, 48, 3)
    with pytest.raises(ContractError, match=r"no row for other\.jpg"):
        read_photographs(path, ["other.jpg"])
    with pytest.raises(ContractError, match="not found"):
        read_photographs(tmp_path / "none.parquet", ["a"])
    bad = tmp_path / "bad.parquet"
    pd.DataFrame(
        {"file": ["a", "b", "c"], "image": [drawn("red"), b"text", drawn("red", (20, 20))]}
    ).to_parquet(bad)
    with pytest.raises(ContractError, match=r"b: the file .*expected one of"):
        read_photographs(bad, ["a", "b"])
    with pytest.raises(ContractError, match="c: "):
        read_photographs(bad, ["a", "c"])
