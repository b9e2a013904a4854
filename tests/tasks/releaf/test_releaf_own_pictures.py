"""Pictures of a user: photographs in a folder, and files that cannot be used."""

from __future__ import annotations

import io
import os
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shipped import shipped_params

from methods.vision.pictures import MAX_BYTES, decode
from releaf.photographs import load_observer
from statewright.contracts import ContractError, check
from statewright.files import dump_json
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.params import VisionParams
from tasks.releaf.photographs.own import OwnPictures, read_own
from tasks.releaf.vision import VisionOutputs, vision
from tests.external import external_data

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PHOTOGRAPHS = ("waste", "trashnet_192x144.parquet")
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
EACH = 8
BROKEN = {
    "glass/animated.gif": "is animated",
    "glass/deep/er/still.png": "more than two folders deep",
    "glass/notes.txt": "expected one of",
    "glass/one.png": "is 1 x 1 pixels",
    "metal/cut.jpg": "the picture is damaged",
    "metal/empty.jpg": "the file is empty",
    "metal/huge.jpg": "the file has 20,000,001 bytes; the limit is 20,000,000",
    "wood/\\udcff.png": "its name is not UTF-8; rename it",
    "wood/still.png": "'wood' is an unknown material; expected cardboard, glass, metal, paper, plastic, "
    "trash",
}


def drawn(size: tuple[int, int] = (64, 48), kind: str = "PNG", **how: object) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(stream, kind, **how)
    return stream.getvalue()


def write_broken(folder: Path) -> None:
    frame = Image.new("RGB", (64, 48), "red")
    content = {
        "glass/animated.gif": drawn(kind="GIF", save_all=True, append_images=[frame]),
        "glass/deep/er/still.png": drawn(),
        "glass/notes.txt": b"blue glass",
        "glass/one.png": drawn((1, 1)),
        "metal/cut.jpg": drawn(kind="JPEG")[:300],
        "metal/empty.jpg": b"",
        "metal/huge.jpg": bytes(MAX_BYTES + 1),
        "wood/still.png": drawn(),
    }
    content[os.fsdecode(b"wood/\xff.png")] = drawn()
    assert len(content) == len(BROKEN)
    for name, value in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(value)


@pytest.fixture(scope="module")
def photos() -> pd.DataFrame:
    table = pd.read_parquet(ROOT / "data/source/trashnet_features.parquet")
    return table.rename(columns={"picture": "photo_id"})


@pytest.fixture(scope="module")
def sampled(photos: pd.DataFrame) -> pd.DataFrame:
    """Photographs of three materials from the training split, which then lacks them."""
    photographs = external_data(*PHOTOGRAPHS)
    some = photos[(photos["split"] == "train") & photos["label"].isin(["glass", "metal", "paper"])]
    images = pd.read_parquet(photographs, columns=["file", "image"]).set_index("file")["image"]
    rows = some.groupby("label").head(EACH)[["photo_id", "label", "features"]].reset_index(drop=True)
    return rows.assign(image=images.loc[rows["photo_id"]].to_numpy())


@pytest.fixture(scope="module")
def folder(sampled: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of glass with two items, metal, unlabelled paper, and broken files."""
    folder = tmp_path_factory.mktemp("own")
    write_broken(folder)
    for number, row in enumerate(sampled.itertuples()):
        place = {"glass": f"glass/{('jar', 'bottle')[number % 2]}", "metal": "metal", "paper": "."}[row.label]
        (folder / place).mkdir(exist_ok=True, parents=True)
        (folder / place / row.photo_id).write_bytes(row.image)
    (folder / "metal" / "zz_again.jpg").write_bytes((folder / "metal" / "metal1.jpg").read_bytes())
    (folder / ".hidden").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def others(photos: pd.DataFrame, sampled: pd.DataFrame) -> pd.DataFrame:
    return photos[~photos["photo_id"].isin(sampled["photo_id"])]


@pytest.fixture(scope="module")
def own(folder: Path, others: pd.DataFrame) -> OwnPictures:
    return read_own(folder, others)


@pytest.fixture(scope="module")
def done(folder: Path, others: pd.DataFrame) -> VisionOutputs:
    return vision(others, params=SMALL.model_copy(update={"pictures": str(folder)}))


def test_unusable_files_are_rejected_with_a_reason(own: OwnPictures) -> None:
    assert own.rejected["metal/zz_again.jpg"] == "is the same picture as metal/metal1.jpg"
    assert set(own.rejected) >= set(BROKEN)
    for name, words in BROKEN.items():
        assert words in own.rejected[name]


def test_labels_follow_the_folders_and_features_equal_those_that_ship(
    own: OwnPictures, sampled: pd.DataFrame
) -> None:
    rows = own.rows.assign(file=own.rows["photo_id"].str.split("/").str[-1]).set_index("file")
    truth = sampled.set_index("photo_id").loc[rows.index]
    assert len(rows) >= len(sampled) - 2
    labelled = rows["label"].notna()
    assert (rows["label"][labelled] == truth["label"][labelled]).all()
    assert set(truth["label"][~labelled]) == {"paper"} and set(rows["split"][~labelled]) == {"unlabelled"}
    assert set(rows["item"].dropna()) == {"jar", "bottle"}
    # Stored to half precision: one part in 2,048.
    np.testing.assert_allclose(np.stack(rows["features"]), np.stack(truth["features"]), atol=2e-3)


def test_a_split_does_not_depend_on_other_files(
    own: OwnPictures, tmp_path: Path, folder: Path, others
) -> None:
    first = own.rows[own.rows["label"].notna()].iloc[[0]]
    name = first["photo_id"].item()
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert read_own(tmp_path, others).rows["split"].tolist() == first["split"].tolist()


def test_own_pictures_join_training_and_are_scored_separately(done: VisionOutputs, own: OwnPictures) -> None:
    for name, annotation in typing.get_type_hints(VisionOutputs, include_extras=True).items():
        check(getattr(done, name), annotation, name)
    split, summary = own.rows["split"].value_counts(), done.vision.own
    assert summary is not None and summary.kept == {
        n: split.get(n, 0) for n in ("train", "val", "own", "unlabelled")
    }
    assert split["train"] > 5 and split["own"] > 0
    assert done.vision.photos["test"] == 431
    rows = done.vision_predictions[done.vision_predictions["split"].isin(["own", "unlabelled"])]
    assert sorted(rows["photo_id"]) == sorted(own.parts()["own"]["photo_id"])
    tested = rows[rows["split"] == "own"]
    assert summary.tested == len(tested)
    assert summary.accuracy == pytest.approx((tested["found"] == tested["label"]).mean(), abs=1e-5)
    assert rows["label"].isna().tolist() == (rows["split"] == "unlabelled").tolist()
    # Chance is 17 %.
    assert (rows.loc[rows["split"] == "unlabelled", "found"] == "paper").mean() > 0.6


def test_the_item_head_is_on_if_items_are_labelled(done: VisionOutputs) -> None:
    summary = done.vision.own
    assert done.vision.heads_on == ["item", "material"] and summary is not None
    assert summary.items == ["bottle", "jar"]
    assert set(done.vision_predictions["found_item"].dropna()) <= {"bottle", "jar"}


def test_the_service_predicts_the_same_with_an_item_head(done: VisionOutputs, folder: Path) -> None:
    row = done.vision_predictions.query("split == 'unlabelled'").iloc[0]
    observe = load_observer(
        done.vision_model, MATERIALS, hidden=SMALL.hidden, novelty=lambda features: np.zeros(len(features))
    )
    (found,) = observe([decode((folder / row["photo_id"]).read_bytes())])
    assert list(found.materials.values()) == pytest.approx([row[f"p_{name}"] for name in MATERIALS], abs=1e-4)


def test_the_item_head_is_off_for_one_item(tmp_path: Path, folder: Path, others: pd.DataFrame) -> None:
    for path in sorted((folder / "glass" / "jar").iterdir()):
        (tmp_path / "glass" / "jar").mkdir(parents=True, exist_ok=True)
        (tmp_path / "glass" / "jar" / path.name).write_bytes(path.read_bytes())
    params = SMALL.model_copy(update={"pictures": str(tmp_path), "epochs": 1, "seeds": [0]})
    found = vision(others, params=params)
    assert found.vision.heads_off == {"item": "one class only in the training rows"}
    assert "found_item" not in found.vision_predictions


def test_own_pictures_join_photographs_too(folder: Path, others: pd.DataFrame) -> None:
    some = others.groupby(["split", "label"]).head(4)
    size = {"height": 32, "width": 64, "frozen": 14, "views": 2, "epochs": 2, "hidden": 0, "seeds": [0]}
    named = {"photographs": str(external_data(*PHOTOGRAPHS)), "pictures": str(folder)}
    found = vision(
        some, params=shipped_params(VisionParams, "releaf.vision", **size, **named, with_photographs={})
    )
    assert found.vision.tier == "photographs" and found.vision.own is not None
    kept = found.vision.own.kept
    assert found.vision.photos == {"train": 24 + kept["train"], "val": 24 + kept["val"], "test": 24}
    assert (found.vision_predictions["split"] == "unlabelled").sum() == kept["unlabelled"] == EACH


def test_without_a_folder_the_summary_has_no_own_pictures(done: VisionOutputs) -> None:
    off = done.vision.model_copy(update={"own": None})
    assert '"own"' not in dump_json(off) and '"own"' in dump_json(done.vision)


def test_a_folder_without_a_usable_picture_is_an_error(tmp_path: Path, photos: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match="none is not a folder"):
        read_own(tmp_path / "none", photos)
    with pytest.raises(ContractError, match=r"is empty; set a folder of pictures"):
        read_own(tmp_path, photos)
    write_broken(tmp_path)
    with pytest.raises(ContractError, match=r"none of the 9 files .* glass/animated\.gif: .* animated"):
        read_own(tmp_path, photos)
