"""Train a body and its heads.

The optimiser is AdamW, with warm-up and a cosine schedule, mixup, averaged weights and early stopping.

    rate_t = top * t / T_w                                                    t <= T_w
    rate_t = floor + (top - floor) (1 + cos(pi (t - T_w) / (T - T_w))) / 2    beyond

The learning rate of the body, if it has weights, is `body_rate` times the rate of the heads. Its batch
normalisation keeps its original statistics. The moving average of the weights is validated and returned.

References
----------
Specification 2 §6 with the corrections to §6.1 (warm-up) and §7.6 (stop when the best validation
loss is `patience` epochs old, then restore the best weights). Zhang et al. (2018) for mixup, Verma et
al. (2019) for mixing inner maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.training import Cosine, Objective, Settings, Validation, fit, seeded
from methods.vision.heads import Head, Heads, multi_task_loss

Labels = Mapping[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs.
    batch_size : int
    learning_rate, lowest_rate, body_rate : float
        Learning rate of the heads at the maximum and at the end of the cosine, and the factor of the body.
    warm_up : float
        Share of the steps, 0 to below 1.
    weight_decay : float
    smoothing : float
        Label smoothing, 0 to below 1.
    mix : float
        Both parameters of the Beta distribution of mixup; 0 for no mixup.
    average : float
        Decay per step of the moving average of the weights; 0 returns the last weights.
    patience : int
        Epochs without a lower validation loss before training stops.
    seed : int
    """

    epochs: int
    batch_size: int
    learning_rate: float
    lowest_rate: float
    body_rate: float
    warm_up: float
    weight_decay: float
    smoothing: float
    mix: float
    average: float
    patience: int
    seed: int


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch, and the accuracy of each head on the validation rows."""

    epoch: int
    train_loss: float
    validation_loss: float
    accuracy: dict[str, float]


class Classifier(nn.Module):
    """A body that maps inputs to features, and heads that classify them."""

    def __init__(self, body: nn.Module, heads: Heads):
        super().__init__()
        self.body, self.heads = body, heads

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the logits of every head."""
        return self.heads(self.body(inputs))

    def train(self, mode: bool = True) -> Classifier:
        """Set the training mode, but keep the batch statistics of the body fixed."""
        super().train(mode)
        for part in self.body.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return self


@dataclass(frozen=True)
class TrainingResult:
    """The classifier with its best weights, and the history of its training."""

    model: Classifier
    history: list[Epoch]
    best_epoch: int


def train(
    build: Callable[[], Classifier],
    views: Tensor,
    labels: Labels,
    held_out: Tensor,
    held_out_labels: Labels,
    heads: Mapping[str, Head],
    recipe: Recipe,
    *,
    track: Callable[[Iterable[int]], Iterable[int]] = lambda epochs: epochs,
) -> TrainingResult:
    """Fit a classifier to `views`, with early stopping on `held_out`.

    Each epoch uses one random view of each row. Validation uses the first view of `held_out`.

    Parameters
    ----------
    build : callable
        Creates the classifier. It is called under the seed, which determines the random weights.
    views : (views, rows, ...) of float
    labels : mapping of (rows,) of int64
    held_out : (views, rows, ...) of float
    held_out_labels : mapping of (rows,) of int64
    heads : mapping of Head
    recipe : Recipe
    track : callable
        Wraps the epochs, for example in a progress bar.
    """
    with seeded(recipe.seed) as generator:
        model = build()
        optimiser = torch.optim.AdamW(
            [
                {"params": model.heads.parameters(), "lr": recipe.learning_rate},
                {"params": list(model.body.parameters()), "lr": recipe.learning_rate * recipe.body_rate},
            ],
            weight_decay=recipe.weight_decay,
        )

        def batches(epoch: int) -> Sequence[Tensor]:
            view = torch.randint(views.shape[0], (views.shape[1],), generator=generator)
            order = torch.randperm(views.shape[1], generator=generator)
            return torch.stack([view[order], order], dim=1).split(recipe.batch_size)

        def loss(batch: Tensor) -> Tensor:
            view, rows = batch.unbind(dim=1)
            return _mixed_loss(
                model, views[view, rows].float(), _rows(labels, rows), heads, recipe, generator
            )

        fitted = fit(
            model,
            optimiser,
            Objective(
                batches,
                loss,
                lambda judged: _validate(judged, held_out, held_out_labels, heads, recipe.smoothing),
                (generator,),
            ),
            _settings(recipe, recipe.epochs * math.ceil(views.shape[1] / recipe.batch_size)),
            track=track,
        )
    history = [Epoch(e.epoch, e.train_loss, e.validation_loss, dict(e.scores)) for e in fitted.history]
    return TrainingResult(model, history, fitted.best_epoch)


def _settings(recipe: Recipe, steps: int) -> Settings:
    return Settings(
        epochs=recipe.epochs,
        rate=Cosine(steps, int(recipe.warm_up * steps), recipe.lowest_rate / recipe.learning_rate),
        average=recipe.average,
        patience=recipe.patience,
    )


def _rows(labels: Labels, rows: Tensor) -> Labels:
    return {name: values[rows] for name, values in labels.items()}


def _mixed_loss(
    model: Classifier,
    inputs: Tensor,
    labels: Labels,
    heads: Mapping[str, Head],
    recipe: Recipe,
    generator: torch.Generator,
) -> Tensor:
    """Compute the loss of inputs that are mixed with each other."""
    partner, share = _draw_mixup(len(inputs), recipe.mix, generator)
    if share < 1:
        inputs = share * inputs + (1 - share) * inputs[partner]
    logits = model(inputs)
    loss = multi_task_loss(logits, labels, heads, recipe.smoothing)
    if share < 1:
        mixed = multi_task_loss(logits, _rows(labels, partner), heads, recipe.smoothing)
        loss = share * loss + (1 - share) * mixed
    return loss


def _draw_mixup(rows: int, parameter: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """Return the row with which each row is mixed, and the share of the row itself."""
    partner = torch.randperm(rows, generator=generator)
    if parameter == 0:
        return partner, 1.0
    # The ratio of two gamma draws is a Beta draw. The Beta distribution of torch accepts no generator.
    pair = torch._standard_gamma(torch.full((2,), parameter), generator=generator)
    return partner, float(pair[0] / pair.sum().clamp_min(1e-30))


def _validate(
    model: nn.Module, views: Tensor, labels: Labels, heads: Mapping[str, Head], smoothing: float
) -> Validation:
    logits = predict(model, views[:1])
    accuracy = {}
    for name, values in logits.items():
        known = labels[name] >= 0
        hits = (values.argmax(dim=1) == labels[name])[known]
        accuracy[name] = float(hits.float().mean()) if len(hits) else 0.0
    return Validation(float(multi_task_loss(logits, labels, heads, smoothing)), accuracy)


@torch.no_grad()
def predict(model: nn.Module, views: Tensor, batch_size: int = 128) -> dict[str, Tensor]:
    """Return the logits of each head, averaged over the views of each row.

    Parameters
    ----------
    model : Classifier
    views : (views, rows, ...) of float

    Returns
    -------
    dict of (rows, classes) of float
    """
    model.eval()
    parts = []
    for rows in torch.arange(views.shape[1]).split(batch_size):
        outputs = [model(view[rows].float()) for view in views]
        parts.append({name: torch.stack([logits[name] for logits in outputs]).mean(0) for name in outputs[0]})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
