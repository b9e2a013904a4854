"""Stage emotion-latent: a map of emotion, and its gain over linear ones.

Each modality has one model per width. Artists are divided into three parts: the models are fitted to the
first, their training ends by the second, and all figures are from the third.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from methods.evaluation.scores import cluster_weights
from statewright.contracts import ContractError, Table
from tasks.emotion.contracts.latent import Gain, LatentMetrics, LatentModality, LatentOutputs, LatentWidth
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Features
from tasks.emotion.params import LatentParams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.latent import Settings, Vae

MAP_WIDTH = 2
GRID = 25
"""Points of the grid along each axis of the map."""


class Split(NamedTuple):
    """Releases of one modality by part of the artists.

    Features are in deviations of the first part.
    """

    rows: pd.DataFrame
    x: NDArray[np.float64]
    fitted: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


def latent(features: Table[Features], *, params: LatentParams) -> LatentOutputs:
    """Fit every width, compare it with linear models, and return the map."""
    from methods.latent import Settings

    settings = Settings(
        hidden=params.hidden, epochs=params.epochs, batch_size=params.batch_size,
        learning_rate=params.learning_rate, warm_up=params.warm_up, patience=params.patience,
        samples=params.samples,
    )  # fmt: skip
    points, grids, modalities = [], [], {}
    for modality, dimensions in (("audio", AUDIO), ("lyrics", LYRICS)):
        split = split_artists(features, modality, dimensions, params)
        widths = []
        for width in params.widths:
            model, summary = _compare(split, width, params, settings)
            widths.append(summary)
            if width == MAP_WIDTH:
                points.append(_points(split, model, modality))
                grids.append(_grid(split, model, modality, dimensions))
        modalities[modality] = LatentModality(
            releases=len(split.rows),
            artists=split.rows["artist_id"].nunique(),
            held_out_artists=split.rows["artist_id"][split.held_out].nunique(),
            held_out_releases=int(split.held_out.sum()),
            gaussian=round(_gaussian(split), 4),
            widths=widths,
        )
    return LatentOutputs(
        pd.concat(points, ignore_index=True),
        pd.concat(grids, ignore_index=True),
        LatentMetrics(samples=params.samples, modalities=modalities),
    )


def split_artists(
    features: pd.DataFrame, modality: str, dimensions: tuple[str, ...], params: LatentParams
) -> Split:
    """Return the releases of enough songs, by part of the artists.

    These are years of careers for audio, and albums for lyrics.
    """
    kind = "year" if modality == "audio" else "album"
    chosen = (features["kind"] == kind) & features[f"has_{modality}"]
    rows = features[chosen & (features["n_songs"] >= params.min_songs)].reset_index(drop=True)
    artists = rows["artist_id"].unique()
    if len(artists) < 20:
        raise ContractError(
            f"emotion-latent: features.parquet has {len(artists)} artists with {modality} of at least "
            f"{params.min_songs} songs, expected at least 20; lower emotion.latent.min_songs"
        )
    order = np.random.default_rng(params.seed).permutation(np.sort(artists))
    held, checked = (max(1, round(part * len(order))) for part in (params.held_out, params.validation))
    held_out = rows["artist_id"].isin(order[:held]).to_numpy()
    validation = rows["artist_id"].isin(order[held : held + checked]).to_numpy()
    fitted = ~held_out & ~validation
    x = rows[[f"{modality}_{dimension}" for dimension in dimensions]].to_numpy(float)
    x = (x - x[fitted].mean(axis=0)) / x[fitted].std(axis=0)
    return Split(rows, x, fitted, validation, held_out)


def _compare(split: Split, width: int, params: LatentParams, settings: Settings) -> tuple[Vae, LatentWidth]:
    """Fit one width; the linear models may use the rows of the validation, too."""
    from sklearn.decomposition import PCA, FactorAnalysis

    from methods.latent import fit_vae

    x, train, test = split.x, split.x[split.fitted], split.x[split.held_out]
    model = fit_vae(train, width, seed=params.seed, validation=split.x[split.validation], settings=settings)
    linear = fit_vae(train, width, decoder="linear", seed=params.seed)
    components = PCA(width, svd_solver="full").fit(x[~split.held_out])
    factors = FactorAnalysis(width, svd_method="lapack").fit(x[~split.held_out])
    rows = model.row_log_likelihood(test, samples=params.samples, seed=params.seed)
    pca, factor_analysis = components.score_samples(test), factors.score_samples(test)
    artist = split.rows["artist_id"].to_numpy()[split.held_out]
    return model, LatentWidth(
        width=width,
        pca=round(float(pca.mean()), 4),
        factor_analysis=round(float(factor_analysis.mean()), 4),
        vae=round(float(rows.mean()), 4),
        over_pca=paired_gain(rows - pca, artist, params),
        over_factor_analysis=paired_gain(rows - factor_analysis, artist, params),
        active_units=model.active_units(test),
        variance=round(model.variance, 4),
        pca_variance=round(float(components.noise_variance_), 4),
        linear_gap=round(float(_best_linear(train, width) - linear.log_likelihood), 5),
        epochs=model.epochs,
    )


def _best_linear(x: NDArray[np.float64], width: int) -> float:
    """Return the largest likelihood of probabilistic PCA, nats per row.

    It is in closed form (Tipping and Bishop, 1999). scikit-learn's own fit divides by n - 1, so its
    likelihood is not exactly the maximum.
    """
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    log_determinant = np.log(values[:width]).sum() + (len(values) - width) * np.log(values[width:].mean())
    return float(-0.5 * (len(values) * (np.log(2 * np.pi) + 1) + log_determinant))


def _gaussian(split: Split) -> float:
    """Return the log likelihood per held-out release of one normal distribution."""
    from scipy.stats import multivariate_normal

    known = split.x[~split.held_out]
    normal = multivariate_normal(known.mean(axis=0), np.cov(known.T))
    return float(normal.logpdf(split.x[split.held_out]).mean())


def paired_gain(difference: NDArray[np.float64], artist: NDArray[np.int64], params: LatentParams) -> Gain:
    """Return the mean difference, with its interval over resampled artists."""
    _, index = np.unique(artist, return_inverse=True)
    weights = cluster_weights(index.max() + 1, params.draws, params.seed)
    sums, sizes = np.bincount(index, weights=difference), np.bincount(index)
    low, high = np.quantile((weights @ sums) / (weights @ sizes), [0.025, 0.975])
    return Gain(
        value=round(float(difference.mean()), 4), low=round(float(low), 4), high=round(float(high), 4)
    )


def _points(split: Split, model: Vae, modality: str) -> pd.DataFrame:
    mean, variance = model.encode(split.x)
    deviation = np.sqrt(variance)
    places = pd.DataFrame(
        {
            "x": mean[:, 0], "y": mean[:, 1], "x_sd": deviation[:, 0], "y_sd": deviation[:, 1],
            "held_out": split.held_out,
        }
    ).round(4)  # fmt: skip
    rows = split.rows[["release_id", "artist_id", "time"]]
    return pd.concat([rows.assign(modality=modality), places], axis=1)[
        ["modality", "release_id", "artist_id", "time", "x", "y", "x_sd", "y_sd", "held_out"]
    ]


def _grid(split: Split, model: Vae, modality: str, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """Return the expected features over the part of the map where most releases lie."""
    place, _ = model.encode(split.x)
    low, high = np.quantile(place, [0.005, 0.995], axis=0)
    x, y = np.meshgrid(*(np.linspace(low[axis], high[axis], GRID) for axis in (0, 1)))
    value = model.decode(np.column_stack([x.ravel(), y.ravel()]))
    return pd.DataFrame(
        {
            "modality": modality,
            "dimension": np.repeat(dimensions, x.size),
            "x": np.tile(x.ravel(), len(dimensions)).round(4),
            "y": np.tile(y.ravel(), len(dimensions)).round(4),
            "value": value.T.ravel().round(4),
        }
    )
