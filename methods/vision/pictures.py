"""Decode photographs from untrusted files.

The size in the header is checked before a pixel is decoded, so a small file that claims a huge picture costs
nothing.
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
"""Maximum size in memory: a larger picture is averaged over squares of pixels."""
LEAST_SIDE = 16


class PictureError(ValueError):
    """The bytes are not a usable photograph; the message gives the reason."""


def decode(
    content: bytes,
    *,
    most_bytes: int = MOST_BYTES,
    most_pixels: int = MOST_PIXELS,
    least_side: int = LEAST_SIDE,
) -> NDArray[np.uint8]:
    """Decode a still picture, and rotate it upright by its EXIF data.

    Parameters
    ----------
    content : bytes
        A JPEG, PNG, WebP, BMP, or a GIF of one frame. Transparent pixels become white.
    most_bytes, most_pixels, least_side : int
        Maximum size of the file, and maximum and minimum size of the picture.

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
        # Pillow warns above its own limit. Our limit is checked below, before a pixel is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check_size(picture, most_pixels, least_side)
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(_reduce(_on_white(upright)), dtype=np.uint8)
        except UnidentifiedImageError:
            raise PictureError(f"the file is not a picture; expected one of {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError:
            raise PictureError(
                f"the picture claims more pixels than the {most_pixels:,} that are decoded"
            ) from None
        except PictureError:
            raise
        # The decoders of Pillow raise exceptions of any type for a damaged file.
        except Exception as error:
            raise PictureError(f"the picture is damaged: {error}") from error


def _check_size(picture, most_pixels: int, least_side: int) -> None:  # type: ignore[no-untyped-def]
    width, height = picture.size
    if width * height > most_pixels:
        raise PictureError(
            f"the picture is {width} x {height} pixels, more than the {most_pixels:,} that are decoded"
        )
    if min(width, height) < least_side:
        raise PictureError(
            f"the picture is {width} x {height} pixels; expected {least_side} or more on each side"
        )
    # The first picture of an MPO is the photograph; the second is a preview or a stereo image.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise PictureError(f"the picture is animated ({picture.n_frames} frames); send one still picture")


def _reduce(picture):  # type: ignore[no-untyped-def]
    return picture.reduce(math.ceil(math.sqrt(picture.width * picture.height / KEPT_PIXELS)))


def _on_white(picture):  # type: ignore[no-untyped-def]
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    background = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(background, rgba).convert("RGB")
