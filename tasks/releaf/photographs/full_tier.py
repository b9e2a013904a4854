"""The photographs of the full tier: a table of files and their bytes, decoded in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import ContractError


def read_photographs(path: Path, photo_ids: Sequence[str]) -> NDArray[np.uint8]:
    """The pictures named `photo_ids`, (n, height, width, 3), all of one size.

    Parameters
    ----------
    path : Path
        A Parquet table with columns `file` and `image` (bytes of a JPEG or PNG).
    photo_ids : sequence of str

    Raises
    ------
    ContractError
        If the table is missing or lacks a column or a photograph, or a picture cannot be decoded
        or is of another size than the first.
    """
    import pandas as pd

    from methods.vision.pictures import PictureError, decode

    if not path.is_file():
        raise ContractError(
            f"releaf.vision.photographs: {path} not found; name a Parquet table with file and image, or null"
        )
    try:
        table = pd.read_parquet(path, columns=["file", "image"])
    except (ValueError, OSError) as error:
        raise ContractError(f"{path} has not the columns file and image: {error}") from error
    images = dict(zip(table["file"], table["image"], strict=True))
    pictures = []
    for name in photo_ids:
        if name not in images:
            raise ContractError(f"{path} has no photograph {name}, which data/releaf/photos.parquet names")
        try:
            pictures.append(decode(images[name]))
        except PictureError as error:
            raise ContractError(f"{path}, {name}: {error}") from error
        if pictures[-1].shape != pictures[0].shape:
            raise ContractError(
                f"{path}, {name}: {pictures[-1].shape[:2]} pixels, but {pictures[0].shape[:2]} before"
            )
    return np.stack(pictures)
