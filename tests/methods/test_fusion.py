"""Check the inputs of the fusion, its formula, and its training on known data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from methods.fusion.model import CrossModalFusion, Shape, fuse, to_batch
from methods.fusion.training import Recipe, losses, mask_modalities, pattern_weights, train

COLUMNS = {"audio": 3, "lyrics": 2, "context": 4}
SHAPE = Shape(COLUMNS, width=5, token_width=8, heads=2, hidden=12, dropout=0.1)
RECIPE = Recipe(
    epochs=25,
    batch_size=96,
    learning_rate=1e-2,
    weight_decay=1e-3,
    clip=1.0,
    balance=0.5,
    hide=0.4,
    kept=1.0,
    average=0.9,
    patience=25,
    seed=3,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Use one thread: at these sizes a second one only adds overhead."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def releases(rows: int = 40, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return random values; lyrics and audio each lack in a third of the rows."""
    generator = np.random.default_rng(seed)
    values = {name: generator.normal(size=(rows, count)) for name, count in COLUMNS.items()}
    values["lyrics"][0::3] = np.nan
    values["audio"][1::3] = np.nan
    values["context"][::7, 2] = np.nan
    return values, generator.uniform(0, 10, size=rows)


def untrained(seed: int = 0) -> CrossModalFusion:
    torch.manual_seed(seed)
    model = CrossModalFusion(SHAPE)
    with torch.no_grad():
        model.importance.normal_()
    return model


def test_a_state_depends_on_its_own_release_only():
    values, time = releases()
    model = untrained()
    together = fuse(model, to_batch(values, time))
    for row in range(6):
        alone = fuse(model, to_batch({k: v[[row]] for k, v in values.items()}, time[[row]]))
        assert torch.allclose(alone.state[0], together.state[row], atol=1e-6)
        assert torch.allclose(alone.importance[0], together.importance[row], atol=1e-6)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_held_out_modality_has_no_effect(name):
    values, time = releases()
    rows = np.all([np.isfinite(array).any(axis=1) for array in values.values()], axis=0)
    values = {key: array[rows] for key, array in values.items()}
    model = untrained()
    held_out = fuse(model, to_batch(values, time[rows]), without=name)
    other = {**values, name: values[name] * -7 + 3}
    assert torch.equal(held_out.state, fuse(model, to_batch(other, time[rows]), without=name).state)
    assert not torch.allclose(held_out.state, fuse(model, to_batch(values, time[rows])).state, atol=1e-3)
    missing = {**values, name: np.full_like(values[name], np.nan)}
    assert torch.equal(held_out.state, fuse(model, to_batch(missing, time[rows])).state)


def test_importance_is_a_distribution_over_the_present_modalities():
    values, time = releases()
    batch = to_batch(values, time)
    fused = fuse(untrained(), batch)
    assert torch.allclose(fused.importance.sum(-1), torch.ones(()), atol=1e-6)
    assert (fused.importance[~batch.present] == 0).all()
    assert (fused.importance[batch.present] > 0).all()
    assert (fused.attention.movedim(-1, 1)[~batch.present] == 0).all()


def test_state_is_the_weighted_contraction_of_the_specification():
    """Compute ``sum_i alpha_i T_i (x) W_i`` by loops: equal to 1e-5."""
    values, time = releases(rows=5)
    model, batch = untrained().eval(), to_batch(values, time)
    fused = fuse(model, batch)
    with torch.no_grad():
        tokens = model._tokens(batch, batch.present)
        tensors = tokens + torch.nn.functional.gelu(model.attention(tokens, tokens, batch.present)[0])
    alpha, tensor, weights = (x.detach().numpy() for x in (fused.importance, tensors, model.fusion))
    for row in range(5):
        expected = np.zeros(SHAPE.width)
        for i in range(len(COLUMNS)):
            for t in range(SHAPE.token_width):
                for w in range(SHAPE.width):
                    expected[w] += alpha[row, i] * tensor[row, i, t] * weights[i, t, w]
        assert np.allclose(fused.state[row].numpy(), expected, atol=1e-5)


def test_the_error_names_the_release_without_a_modality():
    values, time = releases()
    for array in values.values():
        array[4] = np.nan
    with pytest.raises(ValueError, match="row 4 has no value in any of audio, lyrics, context"):
        to_batch(values, time)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 0.99))
def test_masking_leaves_a_modality_and_reveals_no_missing_one(seed, probability):
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(200, 3, generator=generator) < 0.6
    present[:, 0] |= ~present.any(-1)
    visible = mask_modalities(present, probability, generator)
    assert visible.any(-1).all()
    assert not (visible & ~present).any()


def test_masking_has_the_given_probability():
    """Mask with p all but the largest draw: within 4 standard errors."""
    n, p = 20_000, 0.4
    visible = mask_modalities(torch.ones(n, 3).bool(), p, torch.Generator().manual_seed(0))
    expected = p - p**3 / 3
    assert float((~visible).float().mean()) == pytest.approx(expected, abs=4 * (0.25 / (3 * n)) ** 0.5)


def test_balance_gives_every_combination_the_same_weight():
    present = torch.tensor([[1, 1]] * 6 + [[1, 0]] * 3 + [[0, 1]]).bool()
    even = pattern_weights(present, 1.0)
    assert torch.allclose(
        torch.stack([even[:6].sum(), even[6:9].sum(), even[9:].sum()]), torch.ones(3).double()
    )
    assert torch.equal(pattern_weights(present, 0.0), torch.ones(10).double())


def test_loss_counts_known_values_only():
    values, time = releases()
    batch = to_batch(values, time)
    fused = fuse(untrained(), batch)
    visible = batch.present.clone()
    visible[::2, 0] &= False
    masked_loss, visible_loss = losses(fused, batch, visible)
    expected = [0.0, 0.0]
    for index, (name, array) in enumerate(values.items()):
        squares = (fused.decoded[name].numpy() - array) ** 2
        for part, rows in enumerate((~visible[:, index].numpy(), visible[:, index].numpy())):
            if np.isfinite(squares[rows]).any():
                expected[part] += np.nanmean(squares[rows])
    assert float(masked_loss) == pytest.approx(expected[0], rel=1e-5)
    assert float(visible_loss) == pytest.approx(expected[1], rel=1e-5)


def linked(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return audio linear in the context and lyrics linear in audio, with noise."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99)
    context = generator.normal(size=(rows, 4))
    audio = context @ mixing.normal(size=(4, 3)) * 0.5 + 0.3 * generator.normal(size=(rows, 3))
    lyrics = audio @ mixing.normal(size=(3, 2)) * 0.7 + 0.3 * generator.normal(size=(rows, 2))
    return {"audio": audio, "lyrics": lyrics, "context": context}, generator.uniform(0, 5, rows)


@pytest.fixture(scope="module")
def trained():
    values, time = linked(900, seed=0)
    values["lyrics"][0:450] = np.nan
    values["audio"][450:650] = np.nan
    validation = linked(200, seed=1)
    return train(to_batch(values, time), to_batch(*validation), SHAPE, RECIPE), (values, time), validation


def test_reconstructed_lyrics_approach_the_best_linear_prediction(trained):
    """Reach within 25 % of the RMSE of least squares on the rows that have both.

    The error of the mean is more than twice as large.
    """
    values, _ = trained[1]
    test, time = linked(500, seed=2)
    both = np.isfinite(values["audio"]).all(1) & np.isfinite(values["lyrics"]).all(1)
    regress = LinearRegression().fit(
        np.hstack([values["audio"], values["context"]])[both], values["lyrics"][both]
    )
    oracle = regress.predict(np.hstack([test["audio"], test["context"]])) - test["lyrics"]
    reconstructed = fuse(trained[0].model, to_batch(test, time), without="lyrics").decoded["lyrics"].numpy()
    rmse, best = np.sqrt(np.mean((reconstructed - test["lyrics"]) ** 2)), np.sqrt(np.mean(oracle**2))
    assert rmse < 1.25 * best
    assert np.sqrt(np.mean(test["lyrics"] ** 2)) > 2 * best


def test_best_weights_are_restored(trained):
    outcome, _, validation = trained
    best = min(outcome.history, key=lambda epoch: epoch.validation_loss)
    assert best.epoch == outcome.best_epoch
    batch = to_batch(*validation)
    visible = losses(fuse(outcome.model, batch), batch, batch.present)[1]
    assert float(visible) == pytest.approx(best.validation_shown, rel=1e-5)
    assert best.validation_loss == pytest.approx(best.validation_hidden + RECIPE.kept * best.validation_shown)


def test_training_stops_when_the_best_epoch_is_patience_old():
    """Train on noise, where only the mean is learned: the loss soon rises."""
    noise = {name: np.random.default_rng(1).normal(size=(60, count)) for name, count in COLUMNS.items()}
    other = {name: np.random.default_rng(2).normal(size=(60, count)) for name, count in COLUMNS.items()}
    recipe = dataclasses.replace(RECIPE, epochs=400, patience=4, kept=0.0, average=0.0, learning_rate=0.02)
    outcome = train(to_batch(noise, np.zeros(60)), to_batch(other, np.zeros(60)), SHAPE, recipe)
    assert len(outcome.history) == outcome.best_epoch + 4 < 400


def test_runs_are_reproducible_and_do_not_change_the_global_generator():
    data = to_batch(*releases(rows=90))
    recipe = dataclasses.replace(RECIPE, epochs=3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = train(data, data, SHAPE, recipe)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    again = train(data, data, SHAPE, recipe)
    other = train(data, data, SHAPE, dataclasses.replace(recipe, seed=4))
    assert first.history == again.history
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name])
    assert first.history != other.history
