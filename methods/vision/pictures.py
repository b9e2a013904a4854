"""Decode photographs from untrusted files.

The size in the header is checked before a pixel is decoded, so a small file that claims a huge picture costs
nothing. A picture that is accepted needs less than 300 MB of memory.
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
"""Maximum size of a JPEG that is not progressive; it is decoded at a reduced size."""
MAX_WHOLE_PIXELS = 12_500_000
"""Maximum size of the others, which are decoded whole: a few bytes can stand for all pixels."""
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
        Maximum size of the file, and maximum and minimum size of the picture. The maximum is at most
        `MAX_WHOLE_PIXELS` for a picture that is not a JPEG, or is a progressive one.

    Returns
    -------
    (height, width, 3) of uint8

    Raises
    ------
    PictureError
        If it is empty, too large, not a picture, damaged, animated, or smaller than `min_side`.
    """
    from PIL import Image, UnidentifiedImageError

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
                return np.asarray(_upright(_on_white(_reduced(picture)), picture), dtype=np.uint8)
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
    pixels = max_pixels if _is_scaled(picture) else min(max_pixels, MAX_WHOLE_PIXELS)
    if width * height > pixels:
        raise PictureError(
            f"the picture is {width} x {height} pixels, more than the {pixels:,} that are decoded; "
            "send a smaller one"
        )
    if min(width, height) < min_side:
        raise PictureError(
            f"the picture is {width} x {height} pixels; expected {min_side} or more on each side"
        )
    # The first picture of an MPO is the photograph; the second is a preview or a stereo image. The number of
    # frames is not asked for, because a GIF would be read to its end.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise PictureError("the picture is animated; send one still picture")


def _is_scaled(picture: Image.Image) -> bool:
    # The decoder holds all coefficients of a progressive JPEG in memory, whatever the scale.
    return picture.format in ("JPEG", "MPO") and not picture.info.get("progressive")


def _reduced(picture: Image.Image) -> Image.Image:
    """Return the picture with at most `DECODED_PIXELS`, in RGB or RGBA."""
    width, height = picture.size
    if _is_scaled(picture):
        factor = _factor(picture)
        # A JPEG is decoded at a half, a quarter or an eighth of its size without the other pixels.
        picture.draft(None, (width // factor, height // factor))
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    same = picture if picture.mode == mode else picture.convert(mode)
    return same.reduce(_factor(same))


def _factor(picture: Image.Image) -> int:
    return math.ceil(math.sqrt(picture.width * picture.height / DECODED_PIXELS))


def _on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    background = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(background, picture).convert("RGB")


def _upright(picture: Image.Image, original: Image.Image) -> Image.Image:
    """Rotate a picture as the EXIF data of the original say."""
    from PIL import ExifTags, ImageOps

    # The copy that is rotated is small, but a conversion may have lost its EXIF data.
    orientation = original.getexif().get(ExifTags.Base.Orientation)
    picture.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(picture)
