"""Pictures of a user: reading, labels, rejected files and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from statewright.contracts import ContractError
from tasks.releaf.catalogue.names import split_of
from tasks.releaf.contracts.raw import FEATURES, MATERIALS
from tasks.releaf.photographs.scores import OwnPicturesSummary, predictions

if TYPE_CHECKING:
    from torch import Tensor

TWIN = 0.97  # as releaf.preprocess.twin_cosine, which is not a param of this stage
HELD_OUT_SHARE = 0.15  # of the validation split, and of the test split


@dataclass(frozen=True)
class OwnPictures:
    """Pictures of a user that can be used, and the reasons why others cannot.

    Attributes
    ----------
    folder : Path
    rows : pandas.DataFrame
        Columns of `Photos` (`contracts.tables`) and `item`. The split is train, val, own (the test
        pictures) or unlabelled; `label` and `item` may be missing.
    rejected : dict of str
        Reason by file.
    """

    folder: Path
    rows: pd.DataFrame
    rejected: dict[str, str]

    @property
    def items(self) -> tuple[str, ...]:
        """The item names in alphabetical order."""
        return tuple(sorted(self.rows["item"].dropna().unique()))

    def parts(self) -> dict[str, pd.DataFrame]:
        """Return the rows by part: train, val, and own (for prediction only).

        An empty part has no entry.
        """
        split = self.rows["split"].replace("unlabelled", "own")
        return {str(name): rows for name, rows in self.rows.groupby(split)}

    def joined(self, parts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return `parts` with these rows appended to each."""
        shipped = {name: rows.assign(item=None) for name, rows in parts.items()}
        return shipped | {
            name: pd.concat([shipped[name], rows], ignore_index=True) if name in shipped else rows
            for name, rows in self.parts().items()
        }


def read_own(folder: Path, photos: pd.DataFrame) -> OwnPictures:
    """Read a user's pictures.

    Paths are ``MATERIAL/FILE``, ``MATERIAL/ITEM/FILE``, or ``FILE`` for an unlabelled picture.
    Files and folders whose name begins with a dot are skipped. A labelled picture that equals one of
    `photos` or an earlier picture (by the cosine of their features) is rejected, because it could be in
    both the training and the test split.

    Raises
    ------
    ContractError
        If the folder is missing or empty, or none of its files can be used.
    """
    from methods.vision.pictures import PictureError
    from methods.vision.shipped import shipped_features, torch_features

    paths = _files(folder)
    features_of = torch_features()
    known = list(photos["photo_id"])
    directions = np.zeros((len(known) + len(paths), FEATURES), dtype=np.float32)
    directions[: len(known)] = [_direction(features) for features in photos["features"]]
    rows, rejected = [], {}
    for path in tqdm(paths, desc="own pictures", mininterval=1):
        inner = path.relative_to(folder)
        name = inner.as_posix().encode("utf-8", "backslashreplace").decode()
        try:
            if name != inner.as_posix():
                raise PictureError("its name is not UTF-8; rename it")
            label, item = _labels(inner.parts[:-1])
            features = shipped_features(features_of, [_decode(path)])[0]
            if label is not None:
                directions[len(known)] = _direction(features)
                _reject_twin(directions, known)
                known.append(name)
        except PictureError as error:
            rejected[name] = str(error)
            continue
        rows.append((name, label, item, _split(name, label), features))
    if not rows:
        name, reason = next(iter(rejected.items()))
        raise ContractError(
            f"releaf.vision.pictures: none of the {len(rejected)} files of {folder} can be used; "
            f"{name}: {reason}"
        )
    table = pd.DataFrame(rows, columns=["photo_id", "label", "item", "split", "features"])
    return OwnPictures(folder, table.astype({"label": "str", "item": "str"}), rejected)


def _files(folder: Path) -> list[Path]:
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not paths:
        state = "is empty" if folder.is_dir() else "is not a folder"
        raise ContractError(
            f"releaf.vision.pictures: {folder} {state}; set a folder of pictures "
            "(glass/FILE, glass/jar/FILE or FILE), or null"
        )
    return paths


def _labels(folders: Sequence[str]) -> tuple[str | None, str | None]:
    from methods.vision.pictures import PictureError

    if len(folders) > 2:
        raise PictureError("is more than two folders deep; expected MATERIAL/FILE or MATERIAL/ITEM/FILE")
    if folders and folders[0] not in MATERIALS:
        raise PictureError(f"'{folders[0]}' is an unknown material; expected {', '.join(MATERIALS)}")
    label, item = [*folders, None, None][:2]
    return label, item


def _decode(path: Path) -> NDArray[np.uint8]:
    from methods.vision.pictures import MAX_BYTES, PictureError, decode

    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise PictureError(f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}")
        return decode(path.read_bytes())
    except OSError as error:
        raise PictureError(f"the file cannot be read: {error.strerror}") from error


def _direction(features: NDArray[np.float32]) -> NDArray[np.float32]:
    vector = np.asarray(features, dtype=np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _reject_twin(directions: NDArray[np.float32], known: Sequence[str]) -> None:
    """Raise an error if the picture equals one of the `known` ones.

    The first rows of `directions` belong to the `known`, the next one to the picture.
    """
    from methods.vision.pictures import PictureError

    cosines = directions[: len(known)] @ directions[len(known)]
    if cosines.max() >= TWIN:
        raise PictureError(f"is the same picture as {known[int(cosines.argmax())]}")


def _split(name: str, label: str | None) -> str:
    if label is None:
        return "unlabelled"
    split = split_of(name, HELD_OUT_SHARE, HELD_OUT_SHARE, "pictures")
    return {"train": "train", "dev": "val", "test": "own"}[split]


def pictures_of(own: OwnPictures, size: tuple[int, int]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield each part and its pictures, (n, height, width, 3), resized to `size`."""
    from PIL import Image

    height, width = size
    for part, rows in own.parts().items():
        pictures = [
            np.asarray(
                Image.fromarray(_decode(own.folder / name)).resize((width, height), Image.Resampling.BICUBIC)
            )
            for name in rows["photo_id"]
        ]
        yield part, np.stack(pictures)


def judge(
    own: OwnPictures, logits: Sequence[Mapping[str, Tensor]], temperature: float
) -> tuple[pd.DataFrame, OwnPicturesSummary]:
    """Return the predictions of pictures that were not in training, and a summary.

    Parameters
    ----------
    own : OwnPictures
    logits : sequence of mapping of (rows, classes)
        For each seed, the logits of every head for the part 'own'; empty if the part is empty.
    temperature : float
        Temperature of the material head.
    """
    from methods.evaluation.calibration import softmax

    rows = own.parts().get("own", own.rows[:0])
    mean = {
        head: np.mean([softmax(seed_logits[head].numpy()) for seed_logits in logits], axis=0)
        for head in (logits[0] if logits else ())
    }
    material = mean.get("material", np.empty((0, len(MATERIALS))))
    table = predictions(rows, softmax(np.log(material.clip(1e-12)), temperature), rows["split"].to_numpy())
    if "item" in mean:
        table["item"] = rows["item"].to_numpy()
        table["found_item"] = [own.items[index] for index in mean["item"].argmax(axis=1)]
        table["item_confidence"] = np.round(mean["item"].max(axis=1), 5)
    tested = table[table["split"] == "own"]
    split = own.rows["split"].value_counts()
    with_item = tested[tested["item"].notna()] if "item" in tested else tested[:0]
    return table, OwnPicturesSummary(
        folder=str(own.folder),
        files=len(own.rows) + len(own.rejected),
        kept={name: int(split.get(name, 0)) for name in ("train", "val", "own", "unlabelled")},
        rejected=own.rejected,
        accuracy=_share(tested["found"] == tested["label"]),
        tested=len(tested),
        items=list(own.items),
        item_accuracy=_share(with_item["found_item"] == with_item["item"]) if len(with_item) else None,
        items_tested=len(with_item),
    )


def _share(right: pd.Series) -> float | None:
    return round(float(right.mean()), 5) if len(right) else None
