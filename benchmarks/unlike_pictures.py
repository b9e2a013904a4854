"""Compute the features of pictures that show no waste.

Run ``python -m benchmarks.unlike_pictures``. It writes `data/source/unlike_pictures.parquet`: features only,
no picture. The pictures come from installed packages (foolbox, matplotlib, networkx, scikit-learn, sympy),
from scikit-image (``--scikit-image FOLDER`` names its folder `data`; the package is not a dependency), from
screenshots of the pages of this project (``statewright run``, then Chromium), and from formulas.

Each kind of picture belongs to one part. The kinds of ``calibration`` choose the method; those of ``test``
are looked at once, for the figures.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "data" / "source" / "unlike_pictures.parquet"
PARTS = {
    "noise": "calibration",
    "textures": "calibration",
    "handwriting": "calibration",
    "clothes": "calibration",
    "thumbnails": "calibration",
    "patches": "calibration",
    "frames": "test",
    "portraits": "test",
    "screenshots": "test",
    "charts": "test",
    "scenes": "test",
}
"""The part of each kind."""
WASTE_LIKE = ("imagenet_02_438", "imagenet_09_455")
"""A beaker and a bottle cap: they could be waste."""
SIDE = 224
_PART = re.compile(r"-part-\d+$|-(?:390|1200)-\d$")
"""End of the name of a part of a picture, or of a page: the parts are not independent."""
Array = NDArray[np.uint8]


class Picture(NamedTuple):
    """A picture that shows no waste.

    `origin` is the package or formula that it comes from.
    """

    name: str
    kind: str
    origin: str
    pixels: Array


def main() -> None:
    """Compute the features and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlike_pictures", description=__doc__)
    parser.add_argument(
        "--scikit-image", type=Path, required=True, metavar="FOLDER", help="skimage/data of its wheel"
    )
    pictures = sorted(_pictures(parser.parse_args().scikit_image), key=lambda picture: picture[:2])
    import pandas as pd

    from methods.vision.shipped import shipped_features, torch_features

    features_of = torch_features()
    features = [
        row
        for start in range(0, len(pictures), 32)
        for row in shipped_features(features_of, [p.pixels for p in pictures[start : start + 32]])
    ]
    table = pd.DataFrame(
        {
            "picture": [picture.name for picture in pictures],
            "kind": [picture.kind for picture in pictures],
            "part": [PARTS[picture.kind] for picture in pictures],
            "origin": [picture.origin for picture in pictures],
            "original": [_PART.sub("", picture.name) for picture in pictures],
            "features": [row.astype(np.float16) for row in features],
        }
    )
    table.to_parquet(TARGET, compression="zstd", index=False)
    print(table.groupby(["part", "kind"]).size().to_string())


def _pictures(scikit_image: Path) -> Iterator[Picture]:
    yield from _noise()
    yield from _frames()
    yield from _charts()
    yield from _foolbox()
    yield from _of_scikit_image(scikit_image)
    yield from _of_packages()
    yield from _screenshots()


def _noise() -> Iterator[Picture]:
    rng = np.random.default_rng(0)
    for number in range(20):
        side = (4, 8, 16, 32, 64, 224)[number % 6]
        values = rng.integers(0, 256, (side, side, 3 if number % 2 else 1), dtype=np.uint8)
        values = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
        yield Picture(f"noise-{number:02}", "noise", "formula", _resized(values))
    y, x = np.mgrid[:SIDE, :SIDE]
    for number in range(10):
        wave = np.sin(2 * np.pi * (x * rng.uniform(0, 0.2) + y * rng.uniform(0, 0.2)))
        colour = rng.uniform(0.2, 1, 3)
        yield Picture(
            f"wave-{number:02}",
            "noise",
            "formula",
            (127.5 * (1 + wave)[..., None] * colour).astype(np.uint8),
        )


def _frames() -> Iterator[Picture]:
    rng = np.random.default_rng(1)
    greys = (0, 3, 12, 30, 64, 128, 192, 225, 245, 255)
    for grey in greys:
        yield Picture(f"grey-{grey:03}", "frames", "formula", np.full((SIDE, SIDE, 3), grey, dtype=np.uint8))
    for number in range(10):
        colour = rng.integers(0, 256, 3)
        yield Picture(
            f"colour-{number:02}",
            "frames",
            "formula",
            np.broadcast_to(colour, (SIDE, SIDE, 3)).astype(np.uint8),
        )
    for number in range(10):  # a covered lens: dark, with the noise of the sensor
        dark = rng.normal(rng.uniform(0, 15), rng.uniform(1, 6), (SIDE, SIDE, 3))
        yield Picture(f"covered-{number:02}", "frames", "formula", dark.clip(0, 255).astype(np.uint8))
    for number in range(10):
        ends = rng.uniform(0, 255, (2, 3))
        ramp = np.linspace(0, 1, SIDE)[:, None] * (ends[1] - ends[0]) + ends[0]
        shade = np.broadcast_to(ramp[:, None], (SIDE, SIDE, 3))
        shade = shade if number % 2 else shade.swapaxes(0, 1)
        yield Picture(f"gradient-{number:02}", "frames", "formula", shade.astype(np.uint8))


def _charts() -> Iterator[Picture]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(2)
    draw: tuple[Callable[[Any], object], ...] = (
        lambda axes: axes.plot(rng.normal(size=(60, 3)).cumsum(axis=0)),
        lambda axes: axes.bar(range(8), rng.uniform(1, 9, 8)),
        lambda axes: axes.scatter(*rng.normal(size=(2, 200)), c=rng.uniform(size=200)),
        lambda axes: axes.imshow(rng.uniform(size=(8, 8))),
        lambda axes: axes.pie(rng.uniform(1, 9, 5), labels=list("abcde")),
        lambda axes: axes.hist(rng.normal(size=500), bins=20),
    )
    for number in range(18):
        figure, axes = plt.subplots(figsize=(4, 3), dpi=100)
        draw[number % len(draw)](axes)
        axes.set_title(f"Figure {number}")
        stream = io.BytesIO()
        figure.savefig(stream)
        plt.close(figure)
        yield Picture(f"chart-{number:02}", "charts", "matplotlib", _read(stream.getvalue()))


def _foolbox() -> Iterator[Picture]:
    kinds = {
        "imagenet": "scenes",
        "cifar10": "thumbnails",
        "cifar100": "thumbnails",
        "mnist": "handwriting",
        "fashionMNIST": "clothes",
    }
    for path in sorted(_folder("foolbox", "data").iterdir()):
        kind = kinds.get(path.stem.split("_")[0])
        if kind and path.stem not in WASTE_LIKE:
            yield Picture(path.stem, kind, "foolbox", _read(path.read_bytes()))


def _of_scikit_image(folder: Path) -> Iterator[Picture]:
    kinds = {
        "textures": ("brick", "grass", "gravel"),
        "portraits": ("astronaut",),
        "screenshots": ("page", "text"),
        "charts": ("logo", "phantom", "horse", "color"),
        "scenes": (
            "camera", "cell", "chelsea", "clock_motion", "coffee", "coins", "hubble_deep_field", "ihc",
            "moon", "motorcycle_left", "retina", "rocket",
        ),
    }  # fmt: skip
    for kind, names in kinds.items():
        for name in names:
            pixels = _read(next(folder.glob(f"{name}.*")).read_bytes())
            yield Picture(name, kind, "scikit-image", pixels)
            if kind in ("textures", "portraits"):
                for number, part in enumerate(_crops(pixels, 8 if kind == "textures" else 4)):
                    yield Picture(f"{name}-part-{number}", kind, "scikit-image", part)
    # The first half are faces of Labeled Faces in the Wild, the second half are patches without a face.
    small = np.load(folder / "lfw_subset.npy")
    for number in range(0, 100, 2):
        for kind, row in (("portraits", small[number]), ("patches", small[100 + number])):
            grey = (255 * row).clip(0, 255).astype(np.uint8)
            yield Picture(
                f"lfw-{kind}-{number:02}", kind, "scikit-image", _resized(np.repeat(grey[..., None], 3, 2))
            )


def _of_packages() -> Iterator[Picture]:
    portrait = _read((_folder("matplotlib", "mpl-data", "sample_data") / "grace_hopper.jpg").read_bytes())
    yield Picture("grace_hopper", "portraits", "matplotlib", portrait)
    for number, part in enumerate(_crops(portrait, 4)):
        yield Picture(f"grace_hopper-part-{number}", "portraits", "matplotlib", part)
    for name in ("china", "flower"):
        path = _folder("sklearn", "datasets", "images") / f"{name}.jpg"
        yield Picture(name, "scenes", "scikit-learn", _read(path.read_bytes()))
    for package, *folder in (
        ("networkx", "drawing", "tests", "baseline"),
        ("sympy", "plotting", "tests"),
        ("matplotlib", "mpl-data", "sample_data"),
    ):
        for path in sorted(_folder(package, *folder).glob("*.png")):
            yield Picture(path.stem, "charts", package, _read(path.read_bytes()))


def _screenshots() -> Iterator[Picture]:
    from playwright.sync_api import sync_playwright

    pages = [ROOT / "service" / "page" / "index.html", *sorted(ROOT.glob("data/*/report.html"))]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for path in pages:
            for width, height in ((390, 844), (1200, 800)):
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(path.as_uri())
                for number in range(1 if path.name == "index.html" else 4):
                    page.evaluate("(y) => window.scrollTo(0, y)", number * 1500)
                    name = f"{path.parent.name}-{width}-{number}"
                    yield Picture(name, "screenshots", "pages of this project", _read(page.screenshot()))
                page.close()
        browser.close()


def _folder(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, package
    return Path(spec.origin).parent.joinpath(*parts)


def _read(content: bytes) -> Array:
    from methods.vision.pictures import decode

    return decode(content)


def _resized(pixels: Array) -> Array:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _crops(pixels: Array, count: int) -> list[Array]:
    """Return square parts of a quarter to the whole of the shorter side."""
    rng = np.random.default_rng(count)
    height, width = pixels.shape[:2]
    parts = []
    for _ in range(count):
        side = int(min(height, width) * rng.uniform(0.25, 1))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        parts.append(pixels[top : top + side, left : left + side])
    return parts


if __name__ == "__main__":
    main()
