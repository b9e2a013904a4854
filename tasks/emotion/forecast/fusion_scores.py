"""Scores of the fusion compared with PCA of the same width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from statewright.contracts import Document

if TYPE_CHECKING:
    from methods.fusion.model import CrossModalFusion
    from methods.pca import Components


class Score(Document):
    """Error over all values of a modality, in units of their training spread."""

    rmse: float
    r2: float


class Comparison(Document):
    """One task: fusion, PCA of the same width, and the mean of the training period.

    ``gain`` is the RMSE of PCA minus that of the fusion, with a 95 % bootstrap interval over artists.
    """

    releases: int
    artists: int
    fusion: Score
    pca: Score
    mean: Score
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True)
class Models:
    """The fusion, PCA of the joined columns, and their means.

    The columns are those of all modalities in order, then the time.
    """

    fusion: CrossModalFusion
    components: Components
    means: np.ndarray


@dataclass(frozen=True)
class Releases:
    """Values of some releases by modality (NaN where missing), with ids and times."""

    values: dict[str, np.ndarray]
    time: np.ndarray
    kind: np.ndarray
    artist_id: np.ndarray

    def take(self, rows: np.ndarray) -> Releases:
        """Return the releases that `rows` marks."""
        return Releases(
            {name: array[rows] for name, array in self.values.items()},
            self.time[rows],
            self.kind[rows],
            self.artist_id[rows],
        )

    def having(self, kind: str, modalities: list[str]) -> Releases:
        """Return the releases of a kind that have all of some modalities."""
        present = [np.isfinite(self.values[name]).any(axis=1) for name in modalities]
        return self.take((self.kind == kind) & np.all(present, axis=0))

    def joined(self, without: str | None = None) -> np.ndarray:
        """Join the columns of every modality and the time; `without` masks one modality."""
        masked = {
            name: np.full_like(array, np.nan) if name == without else array
            for name, array in self.values.items()
        }
        return np.column_stack([*masked.values(), self.time])

    def columns(self, modality: str) -> slice:
        """Return the positions of the columns of a modality among the joined ones."""
        names = list(self.values)
        widths = [self.values[name].shape[1] for name in names]
        start = sum(widths[: names.index(modality)])
        return slice(start, start + self.values[modality].shape[1])


def held_out_scores(models: Models, releases: Releases, draws: int, seed: int) -> dict[str, Comparison]:
    """Score predictions of a masked modality from the others of the same release.

    Audio of years is predicted from context; audio and lyrics of albums that have both, from the other
    modality and context.
    """
    tasks = (
        ("year", "audio", ["audio", "context"]),
        ("album", "audio", ["audio", "lyrics", "context"]),
        ("album", "lyrics", ["audio", "lyrics", "context"]),
    )
    some = {f"{kind}_{name}": (releases.having(kind, needed), name) for kind, name, needed in tasks}
    return {
        task: _compare(models, chosen, name, True, draws, seed)
        for task, (chosen, name) in some.items()
        if len(chosen.time)
    }


def plain_scores(models: Models, releases: Releases, draws: int, seed: int) -> dict[str, Comparison]:
    """Score reconstructions of each modality from the unmasked release."""
    some = {
        f"{kind}_{name}": (releases.having(kind, [name]), name)
        for kind in ("year", "album")
        for name in releases.values
    }
    return {
        task: _compare(models, chosen, name, False, draws, seed)
        for task, (chosen, name) in some.items()
        if len(chosen.time)
    }


def _compare(models: Models, releases: Releases, name: str, mask: bool, draws: int, seed: int) -> Comparison:
    """Score one modality.

    PCA uses the posterior mean if the modality is masked, else the projection.
    """
    from methods import pca
    from methods.fusion.model import fuse, to_batch

    without, columns, truth = name if mask else None, releases.columns(name), releases.values[name]
    ours = (
        fuse(models.fusion, to_batch(releases.values, releases.time), without=without).decoded[name].numpy()
    )
    theirs = pca.reconstruct(models.components, releases.joined(without), shrink=mask)[:, columns]
    means = np.broadcast_to(models.means[columns], truth.shape)
    low, high = gain_interval(truth, ours, theirs, releases.artist_id, draws, seed)
    fusion, components, mean = (score(truth, prediction) for prediction in (ours, theirs, means))
    return Comparison(
        releases=len(truth),
        artists=len(np.unique(releases.artist_id)),
        fusion=fusion,
        pca=components,
        mean=mean,
        gain=round(components.rmse - fusion.rmse, 5),
        gain_low=low,
        gain_high=high,
    )


def score(truth: np.ndarray, prediction: np.ndarray) -> Score:
    """Return the RMSE of known values, and ``R2 = 1 - SSE / SST`` about column means."""
    error = np.nansum((truth - prediction) ** 2)
    spread = np.nansum((truth - np.nanmean(truth, axis=0)) ** 2)
    rmse = np.sqrt(error / np.isfinite(truth).sum())
    return Score(rmse=round(float(rmse), 5), r2=round(float(1 - error / max(spread, 1e-12)), 5))


def gain_interval(
    truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray, artists: np.ndarray, draws: int, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of ``RMSE(theirs) - RMSE(ours)``.

    It comes from a bootstrap over artists.
    """
    names, member = np.unique(artists, return_inverse=True)
    sums = np.stack(
        [
            np.bincount(member, weights=np.nansum((truth - ours) ** 2, axis=1)),
            np.bincount(member, weights=np.nansum((truth - theirs) ** 2, axis=1)),
            np.bincount(member, weights=np.isfinite(truth).sum(axis=1)),
        ]
    )
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    of_ours, of_theirs, known = sums @ counts.T
    gains = np.sqrt(of_theirs / known) - np.sqrt(of_ours / known)
    low, high = np.quantile(gains, [0.025, 0.975])
    return round(float(low), 5), round(float(high), 5)
