"""Decode photographs from untrusted files.

The size in the header is checked before a pixel is decoded, so a small file that claims a huge picture costs
nothing.
"""

from __future__ import annotations

import io
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
DECODED_PIXELS = 4_000_000
"""Maximum size in memory: a larger picture is averaged over squares of pixels."""
MIN_SIDE = 16


class PictureError(ValueError):
    """The bytes are not a usable photograph; the message gives the reason."""


def decode(
    content: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    min_side: int = MIN_SIDE,
) -> NDArray[np.uint8]:
    """Decode a still picture, and rotate it upright by its EXIF data.

    Parameters
    ----------
    content : bytes
        A JPEG, PNG, WebP, BMP, or a GIF of one frame. Transparent pixels become white.
    max_bytes, max_pixels, min_side : int
        Maximum size of the file, and maximum and minimum size of the picture.

    Returns
    -------
    (height, width, 3) of uint8

    Raises
    ------
    PictureError
        If it is empty, too large, not a picture, damaged, animated, or smaller than `min_side`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not content:
        raise PictureError("the file is empty; expected a photograph")
    if len(content) > max_bytes:
        raise PictureError(f"the file has {len(content):,} bytes, at most {max_bytes:,} are read")
    with warnings.catch_warnings():
        # Pillow warns above its own limit. Our limit is checked below, before a pixel is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check_size(picture, max_pixels, min_side)
                upright = ImageOps.exif_transpose(picture)
                return np.asarray(_reduce(_on_white(upright)), dtype=np.uint8)
        except UnidentifiedImageError:
            raise PictureError(f"the file is not a picture; expected one of {', '.join(FORMATS)}") from None
        except Image.DecompressionBombError:
            raise PictureError(
                f"the picture claims more pixels than the {max_pixels:,} that are decoded"
            ) from None
        except PictureError:
            raise
        # The decoders of Pillow raise exceptions of any type for a damaged file.
        except Exception as error:
            raise PictureError(f"the picture is damaged: {error}") from error


def _check_size(picture: Image.Image, max_pixels: int, min_side: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureError(
            f"the picture is {width} x {height} pixels, more than the {max_pixels:,} that are decoded"
        )
    if min(width, height) < min_side:
        raise PictureError(
            f"the picture is {width} x {height} pixels; expected {min_side} or more on each side"
        )
    # The first picture of an MPO is the photograph; the second is a preview or a stereo image.
    frames = getattr(picture, "n_frames", 1)
    if picture.format != "MPO" and frames > 1:
        raise PictureError(f"the picture is animated ({frames} frames); send one still picture")


def _reduce(picture: Image.Image) -> Image.Image:
    return picture.reduce(math.ceil(math.sqrt(picture.width * picture.height / DECODED_PIXELS)))


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    background = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(background, rgba).convert("RGB")
