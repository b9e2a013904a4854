"""Photographs of the full tier, from a table with the bytes of each file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import ContractError


def read_photographs(path: Path, photo_ids: Sequence[str]) -> NDArray[np.uint8]:
    """Return the pictures named `photo_ids`, of shape (n, height, width, 3).

    All pictures have the same size.

    Parameters
    ----------
    path : Path
        Parquet table with columns `file` and `image` (bytes of a JPEG or PNG).
    photo_ids : sequence of str

    Raises
    ------
    ContractError
        If the table, a column or a photograph is missing, or a picture cannot be decoded or differs in
        size from the first.
    """
    import pandas as pd

    from methods.vision.pictures import PictureError, decode

    if not path.is_file():
        raise ContractError(f"releaf.vision.photographs: {path} not found; set a Parquet table, or null")
    try:
        table = pd.read_parquet(path, columns=["file", "image"])
    except (ValueError, OSError) as error:
        raise ContractError(f"{path} lacks the columns file and image: {error}") from error
    images = dict(zip(table["file"], table["image"], strict=True))
    pictures = []
    for name in photo_ids:
        if name not in images:
            raise ContractError(f"{path} has no row for {name} of data/releaf/photos.parquet; add it")
        try:
            pictures.append(decode(images[name]))
        except PictureError as error:
            raise ContractError(f"{path}, {name}: {error}") from error
        if pictures[-1].shape != pictures[0].shape:
            raise ContractError(
                f"{path}, {name}: {pictures[-1].shape[:2]} pixels, expected {pictures[0].shape[:2]}"
            )
    return np.stack(pictures)
