"""A user's own pictures: a folder, its labels, what cannot be used, and how well the rest is named."""

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
from tasks.releaf.photographs.scores import OwnPictures, predictions

if TYPE_CHECKING:
    from torch import Tensor

TWIN = 0.97  # the default of releaf.preprocess.twin_cosine, which is not a param of this stage
HELD_OUT_SHARE = 0.15  # for validation, and as much for test


@dataclass(frozen=True)
class Own:
    """Pictures that can be used, and why others cannot.

    Attributes
    ----------
    folder : Path
    rows : pandas.DataFrame
        Columns of `Photos` (`contracts.tables`) and `item`. The split is train, val, own (a test of their
        own) or unlabelled; `label` and `item` may be missing.
    rejected : dict of str
        File, and the reason.
    """

    folder: Path
    rows: pd.DataFrame
    rejected: dict[str, str]

    @property
    def items(self) -> tuple[str, ...]:
        """The names of items in alphabetical order."""
        return tuple(sorted(self.rows["item"].dropna().unique()))

    def parts(self) -> dict[str, pd.DataFrame]:
        """Rows to train on, to validate on, and ('own') to be named only; none that is empty."""
        split = self.rows["split"].replace("unlabelled", "own")
        return {str(name): rows for name, rows in self.rows.groupby(split)}

    def joined(self, parts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """`parts`, and these behind the rows of each."""
        shipped = {name: rows.assign(item=None) for name, rows in parts.items()}
        return shipped | {
            name: pd.concat([shipped[name], rows], ignore_index=True) if name in shipped else rows
            for name, rows in self.parts().items()
        }


def read_own(folder: Path, photos: pd.DataFrame) -> Own:
    """Every file below `folder`: ``MATERIAL/FILE``, ``MATERIAL/ITEM/FILE``, or ``FILE`` without a label.

    Files and folders whose name begins with a dot are passed over. A labelled picture that is one of `photos`
    or an earlier one (by the cosine of their features) is set aside: it would be learnt from and tested on.

    Raises
    ------
    ContractError
        If the folder is missing or empty, or no file of it can be used.
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
                _no_twin(directions, known)
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
    return Own(folder, table.astype({"label": "str", "item": "str"}), rejected)


def _files(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        state = "is empty" if folder.is_dir() else "is no folder"
        raise ContractError(
            f"releaf.vision.pictures: {folder} {state}; name a folder of pictures, "
            "as glass/FILE, glass/jar/FILE or FILE, or null"
        )
    return found


def _labels(folders: Sequence[str]) -> tuple[str | None, str | None]:
    from methods.vision.pictures import PictureError

    if len(folders) > 2:
        raise PictureError("lies more than two folders deep; expected MATERIAL/FILE or MATERIAL/ITEM/FILE")
    if folders and folders[0] not in MATERIALS:
        raise PictureError(f"'{folders[0]}' is no known material; known are {', '.join(MATERIALS)}")
    label, item = [*folders, None, None][:2]
    return label, item


def _decode(path: Path) -> NDArray[np.uint8]:
    from methods.vision.pictures import MAX_BYTES, PictureError, decode

    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise PictureError(f"the file has {size:,} bytes, at most {MAX_BYTES:,} are read")
        return decode(path.read_bytes())
    except OSError as error:
        raise PictureError(f"the file cannot be read: {error.strerror}") from error


def _direction(features: NDArray[np.float32]) -> NDArray[np.float32]:
    vector = np.asarray(features, dtype=np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _no_twin(directions: NDArray[np.float32], known: Sequence[str]) -> None:
    """The first of `directions` are those of the `known`, the next is the picture's."""
    from methods.vision.pictures import PictureError

    cosines = directions[: len(known)] @ directions[len(known)]
    if cosines.max() >= TWIN:
        raise PictureError(f"is the same picture as {known[int(cosines.argmax())]}")


def _split(name: str, label: str | None) -> str:
    if label is None:
        return "unlabelled"
    split = split_of(name, HELD_OUT_SHARE, HELD_OUT_SHARE, "pictures")
    return {"train": "train", "dev": "val", "test": "own"}[split]


def pictures_of(own: Own, size: tuple[int, int]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Each of `Own.parts` and its pictures, (n, height, width, 3), brought to `size` (height, width)."""
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
    own: Own, logits: Sequence[Mapping[str, Tensor]], temperature: float
) -> tuple[pd.DataFrame, OwnPictures]:
    """What was found for the rows that were not learnt from, and how often it is right.

    Parameters
    ----------
    own : Own
    logits : sequence of mapping of (rows, classes)
        Of each seed, the heads' logits of the part 'own'; none if it is empty.
    temperature : float
        Of the material.
    """
    from methods.evaluation.calibration import softmax

    rows = own.parts().get("own", own.rows[:0])
    mean = {
        head: np.mean([softmax(one[head].numpy()) for one in logits], axis=0)
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
    named = tested[tested["item"].notna()] if "item" in tested else tested[:0]
    return table, OwnPictures(
        folder=str(own.folder),
        files=len(own.rows) + len(own.rejected),
        kept={name: int(split.get(name, 0)) for name in ("train", "val", "own", "unlabelled")},
        rejected=own.rejected,
        accuracy=_share(tested["found"] == tested["label"]),
        tested=len(tested),
        items=list(own.items),
        item_accuracy=_share(named["found_item"] == named["item"]) if len(named) else None,
        items_tested=len(named),
    )


def _share(right: pd.Series) -> float | None:
    return round(float(right.mean()), 5) if len(right) else None
