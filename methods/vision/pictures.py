"""Decode a photograph of unknown origin: an RGB array, or a clear reason why not.

The header is read first: its size is judged before a pixel is decoded, so a small file that claims
a huge picture costs nothing.
"""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
KEPT_PIXELS = 4_000_000
"""A larger picture is averaged over squares of pixels until it has no more: many may wait in memory."""
LEAST_SIDE = 16


class PictureError(ValueError):
    """Bytes are no photograph that can be used; the message says why and what would do."""


def decode(
    content: bytes,
    *,
    most_bytes: int = MOST_BYTES,
    most_pixels: int = MOST_PIXELS,
    least_side: int = LEAST_SIDE,
) -> NDArray[np.uint8]:
    """Decode one still picture, turned upright as its EXIF says.

    Parameters
    ----------
    content : bytes
        A JPEG, PNG, WebP, BMP, or a GIF of one frame. What is transparent becomes white.
    most_bytes, most_pixels, least_side : int
        Bounds of what is accepted.

    Returns
    -------
    (height, width, 3) of uint8

    Raises
    ------
    PictureError
        If it is empty, too large, not a picture, damaged, animated, or smaller than `least_side`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not content:
        raise PictureError("the file is empty; expected a photograph")
    if len(content) > most_bytes:
        raise PictureError(f"the file has {len(content):,} bytes, at most {most_bytes:,} are read")
    with warnings.catch_warnings():
        # Pillow warns above its own bound; ours is judged below, before anything is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _judge(picture, most_pixels, least_side)
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(_reduced(_on_white(upright)), dtype=np.uint8)
        except UnidentifiedImageError:
            raise PictureError(f"the file is no picture; expected one of {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError:
            raise PictureError(
                f"the picture claims more pixels than the {most_pixels:,} that are decoded"
            ) from None
        except PictureError:
            raise
        # Pillow's decoders raise whatever a damaged file makes them trip over.
        except Exception as error:
            raise PictureError(f"the picture is damaged: {error}") from error


def _judge(picture, most_pixels: int, least_side: int) -> None:  # type: ignore[no-untyped-def]
    width, height = picture.size
    if width * height > most_pixels:
        raise PictureError(
            f"the picture is {width} x {height} pixels, more than the {most_pixels:,} that are decoded"
        )
    if min(width, height) < least_side:
        raise PictureError(
            f"the picture is {width} x {height} pixels; each side must have {least_side} or more"
        )
    # The second picture of an MPO is a preview, or the other eye's: the first is the photograph.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise PictureError(f"the picture is animated ({picture.n_frames} frames); send one still picture")


def _reduced(picture):  # type: ignore[no-untyped-def]
    return picture.reduce(math.ceil(math.sqrt(picture.width * picture.height / KEPT_PIXELS)))


def _on_white(picture):  # type: ignore[no-untyped-def]
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(ground, rgba).convert("RGB")
