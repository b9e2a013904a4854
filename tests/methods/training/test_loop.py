"""Compare the loop with plain loops of torch, and check what ends a training."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.training import Cosine, Objective, Plateau, Settings, Validation, fit, seeded, shuffled

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]]) + 0.1


@pytest.fixture(autouse=True)
def _fixed_draws() -> Iterator[None]:
    with seeded(0):
        yield


def network(dropout: float = 0.3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def losses(*values: float) -> Objective:
    """Return an objective whose validation losses are given."""
    remaining = iter(values)
    return Objective(lambda epoch: [torch.arange(40)], None, lambda _: Validation(next(remaining)))


def train(objective: Objective, settings: Settings, model: nn.Module | None = None, rate: float = 0.1):
    model = network(0.0) if model is None else model
    learning = Objective(
        objective.batches,
        objective.loss or (lambda rows: functional.mse_loss(model(X[rows]), Y[rows])),
        objective.validate,
    )
    return model, fit(model, torch.optim.AdamW(model.parameters(), lr=rate), learning, settings)


def test_the_loop_equals_a_plain_loop_bit_by_bit():
    """Compare weights and losses: dropout, clipping, warm-up, cosine, average."""
    with seeded(3) as generator:
        model = network()
        objective = Objective(
            shuffled(torch.arange(40), 16, generator),
            lambda rows: functional.mse_loss(model(X[rows]), Y[rows]),
            lambda judged: Validation(float(functional.mse_loss(judged(X), Y))),
        )
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        fitted = fit(model, optimiser, objective, Settings(4, Cosine(12, 3, 0.1), clip=0.5, average=0.9))
    with seeded(3) as generator:
        plain = network()
        optimiser = torch.optim.AdamW(plain.parameters(), lr=0.1, weight_decay=0.1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, Cosine(12, 3, 0.1))
        average, validations, trained = None, [], []
        for _ in range(4):
            plain.train()
            total = 0.0
            for rows in torch.randperm(40, generator=generator).split(16):
                loss = functional.mse_loss(plain(X[rows]), Y[rows])
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
                optimiser.step()
                scheduler.step()
                total += loss.item() * len(rows)
                weights = [weight.detach() for weight in plain.parameters()]
                if average is None:
                    average = [weight.clone() for weight in weights]
                else:
                    average = [torch.lerp(a, w, 1 - 0.9) for a, w in zip(average, weights, strict=True)]
            judged = copy.deepcopy(plain).eval()
            with torch.no_grad():
                for weight, mean in zip(judged.parameters(), average, strict=True):
                    weight.copy_(mean)
                validations.append((float(functional.mse_loss(judged(X), Y)), judged.state_dict()))
            trained.append(total / 40)
    assert [epoch.train_loss for epoch in fitted.history] == trained
    assert [epoch.validation_loss for epoch in fitted.history] == [loss for loss, _ in validations]
    best = min(validations, key=lambda pair: pair[0])[1]
    assert all(torch.equal(weight, best[name]) for name, weight in model.state_dict().items())
    assert not model.training


def test_the_best_weights_are_restored_and_training_stops_when_they_are_old():
    weights = []
    given = iter([3.0, 2.0, 2.0, 5.0, 4.0])

    def validate(model: nn.Module) -> Validation:
        weights.append(copy.deepcopy(model.state_dict()))
        return Validation(next(given))

    model, fitted = train(
        Objective(lambda epoch: [torch.arange(40)], None, validate), Settings(epochs=9, patience=3)
    )
    assert len(fitted.history) == 5 and fitted.best_epoch == 2  # of equal losses the first is the best
    assert all(torch.equal(weight, weights[1][name]) for name, weight in model.state_dict().items())
    assert not torch.equal(model[0].weight, weights[2]["0.weight"])


def test_without_validation_the_last_weights_are_kept():
    once, _ = train(Objective(lambda epoch: [torch.arange(40)], None), Settings(1), network(0.0))
    model, fitted = train(Objective(lambda epoch: [torch.arange(40)], None), Settings(2), once)
    assert fitted.best_epoch == len(fitted.history) == 2
    assert float(functional.mse_loss(model(X), Y).detach()) < fitted.history[1].train_loss


def test_parts_of_a_loss_are_differentiated_one_by_one():
    """Compare with the sum of the parts: weights equal to 1e-5."""
    whole, gradients = network(0.0), []

    def parts(rows: Tensor) -> Iterator[Tensor]:
        for row in rows:
            gradients.append(model[0].weight.grad)
            yield functional.mse_loss(model(X[row]), Y[row]) / len(rows)

    model = copy.deepcopy(whole)
    settings = Settings(3, clip=1.0)
    train(Objective(lambda epoch: [torch.arange(40)], parts), settings, model)
    train(Objective(lambda epoch: [torch.arange(40)], None), settings, whole)
    assert [gradient is None for gradient in gradients] == 3 * [True, *[False] * 39]
    for first, second in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


def test_mixed_precision_multiplies_in_bfloat16_and_updates_in_float32():
    types, model = [], network(0.0)
    model[0].register_forward_hook(lambda *arguments: types.append(arguments[-1].dtype))
    precise = copy.deepcopy(model)
    batches = [torch.arange(40)]
    _, mixed = train(Objective(lambda epoch: batches, None), Settings(20, bfloat16=True), model)
    assert set(types) == {torch.bfloat16}
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}
    _, exact = train(Objective(lambda epoch: batches, None), Settings(20), precise)
    assert mixed.history[0].train_loss != exact.history[0].train_loss
    assert mixed.history[-1].train_loss == pytest.approx(exact.history[-1].train_loss, rel=0.05)


def test_mixed_precision_learns_what_full_precision_learns():
    """Compare predictions: bfloat16 has 8 bits, a relative error of 2^-9 a product."""
    precise, model = network(0.0), network(0.0)
    model.load_state_dict(precise.state_dict())
    for trained, bfloat16 in ((precise, False), (model, True)):
        _, fitted = train(
            Objective(lambda epoch: [torch.arange(40)], None),
            Settings(150, Cosine(150), bfloat16=bfloat16), trained, rate=0.02,
        )  # fmt: skip
        assert fitted.history[-1].train_loss < 0.05 * fitted.history[0].train_loss
    with torch.no_grad():
        gap = (model(X) - precise(X)).square().mean().sqrt() / Y.std()
    assert gap < 0.01
    assert gap > 0


def test_a_plateau_and_a_schedule_multiply():
    _, fitted = train(losses(3, 3, 3, 3, 1, 1), Settings(6, Cosine(6), Plateau(0.5, patience=1)))
    scales = [1, 1, 1, 0.5, 0.5, 0.5]
    expected = [0.1 * Cosine(6)(step) * scale for step, scale in enumerate(scales)]
    assert [epoch.rate for epoch in fitted.history] == pytest.approx(expected)


def test_frozen_weights_stay_and_buffers_of_the_best_epoch_return():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    model[0].requires_grad_(False)
    frozen, means = model[0].weight.clone(), []
    given = iter([1.0, 2.0])

    def validate(judged: nn.Module) -> Validation:
        means.append(judged[1].running_mean.clone())
        return Validation(next(given))

    train(Objective(lambda epoch: [torch.arange(40)], None, validate), Settings(2), model)
    assert torch.equal(model[0].weight, frozen)
    assert torch.equal(model[1].running_mean, means[0]) and not torch.equal(means[0], means[1])


def test_errors_name_the_epoch():
    with pytest.raises(ValueError, match=r"epoch 2: validation loss nan; expected a finite number"):
        train(losses(1.0, float("nan")), Settings(3))
    with pytest.raises(ValueError, match=r"epoch 1: loss inf; .* lower the learning rate"):
        infinite = Objective(lambda epoch: [torch.arange(2)], lambda rows: torch.full((), torch.inf))
        train(Objective(infinite.batches, lambda rows: infinite.loss(rows).requires_grad_()), Settings(1))
    with pytest.raises(ValueError, match="epoch 1 has no batches"):
        train(Objective(lambda epoch: [], None), Settings(1))
