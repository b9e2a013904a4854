"""Baselines: their sizes, the exact kernel, and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from torch import nn

from methods.sifa import baselines
from methods.sifa.model import Settings, Task, Trained, train
from methods.sifa.networks import Block, Transformer, tokens_of
from methods.sifa.size import count_flops, count_parameters, width_for

TASK = Task("classification", 10)


@pytest.fixture(scope="module")
def turned() -> tuple[np.ndarray, np.ndarray]:
    bunch = load_digits()
    turns = np.random.default_rng(0).integers(4, size=len(bunch.images))
    pictures = [np.rot90(picture / 16, turn) for picture, turn in zip(bunch.images, turns, strict=True)]
    return np.stack(pictures), bunch.target.astype(np.int64)


def learn(variant: str, turned: tuple[np.ndarray, np.ndarray], effort: float = 0.02) -> Trained:
    x, y = turned
    return train(variant, "digits", x[:150], y[:150], TASK, seed=0, settings=Settings(effort=effort))


def accuracy(trained: Trained, turned: tuple[np.ndarray, np.ndarray]) -> float:
    x, y = turned
    return float((trained.predict(x[600:]).argmax(1) == y[600:]).mean())


def test_operations_of_a_perceptron_are_two_for_each_weight() -> None:
    module = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3))
    assert count_flops(module, torch.zeros(1, 7)) == 2 * (7 * 5 + 5 * 3)
    assert count_parameters(module) == 7 * 5 + 5 + 5 * 3 + 3


def test_the_nearest_width_is_found() -> None:
    widths = range(4, 100, 4)
    for wanted in (1, 17, 900, 2500, 10**6):
        best = min(widths, key=lambda width: abs(width**2 - wanted))
        assert abs(width_for(lambda width: width**2, wanted, widths) ** 2 - wanted) == abs(best**2 - wanted)


@pytest.mark.parametrize("shape", [(8, 8), (40,)])
def test_plain_transformers_have_the_size_of_the_architecture(shape: tuple[int, ...]) -> None:
    parameters, flops = baselines.reference_size(shape, 10)
    plain = baselines.build("plain", shape, 10)
    costly = baselines.build("plain-flops", shape, 10)
    # The width is a multiple of 4, so sizes come in steps.
    assert count_parameters(plain) == pytest.approx(parameters, rel=0.12)
    assert count_flops(costly, torch.zeros(1, *shape)) == pytest.approx(flops, rel=0.12)


def test_tokens_are_patches_of_a_picture_and_pieces_of_a_signal() -> None:
    picture = torch.arange(64.0).reshape(1, 8, 8)
    assert tokens_of(picture)[0, 5].tolist() == [18, 19, 26, 27]
    assert tokens_of(torch.arange(40.0)[None])[0, 2].tolist() == [8, 9, 10, 11]


def test_causal_attention_sees_no_later_token() -> None:
    torch.manual_seed(0)
    block = Block(16, 4, causal=True)
    x = torch.randn(1, 6, 16)
    later = x.clone()
    later[0, 4:] += 1
    torch.testing.assert_close(block(x)[0, :4], block(later)[0, :4], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(Block(16, 4)(x)[0, :4], Block(16, 4)(later)[0, :4])


def test_the_plain_transformer_knows_the_order_of_tokens() -> None:
    torch.manual_seed(0)
    model = Transformer((8, 8), 10, 16)
    nn.init.normal_(model.position)
    x = torch.rand(2, 8, 8)
    assert not torch.allclose(model(x), model(x.flip(1)), atol=1e-3)


def test_the_plain_machine_predicts_as_the_library_does(turned: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = turned
    trained = learn("svc", turned)
    flat = x.reshape(len(x), -1)
    best = max(
        (
            SVC(C=c, gamma=f / (64 * flat[:150].var())).fit(flat[:150], y[:150])
            for c in (1, 10, 100)
            for f in (0.5, 1, 2)
        ),
        key=lambda machine: machine.score(flat[600:], y[600:]),
    )
    assert accuracy(trained, turned) == pytest.approx(best.score(flat[600:], y[600:]), abs=0.03)


def test_the_averaged_kernel_is_invariant_and_better(turned: tuple[np.ndarray, np.ndarray]) -> None:
    x, _ = turned
    plain, averaged = learn("svc", turned), learn("kernel", turned)
    given = averaged.predict(x[600:700])
    np.testing.assert_allclose(averaged.predict(np.rot90(x[600:700], axes=(1, 2))), given, atol=1e-9)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-12)
    assert np.abs(plain.predict(np.rot90(x[600:700], axes=(1, 2))) - plain.predict(x[600:700])).max() > 0.1
    assert accuracy(averaged, turned) > accuracy(plain, turned) + 0.05


@pytest.mark.parametrize("variant", ["plain", "augmented", "cnn", "mlp"])
def test_a_network_learns_and_repeats_itself(variant: str, turned: tuple[np.ndarray, np.ndarray]) -> None:
    first, again = learn(variant, turned, 0.05), learn(variant, turned, 0.05)
    np.testing.assert_array_equal(first.predict(turned[0][:50]), again.predict(turned[0][:50]))
    assert first.losses[-1] < first.losses[0]
    assert first.parameters == count_parameters(first.module or nn.Identity())


def test_an_unknown_variant_is_refused_with_the_known_ones(turned: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"'forest' of set 'digits'.*svc-augmented"):
        learn("forest", turned)
