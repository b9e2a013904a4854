"""Which stream a city's list would give to a name that is not on it: a linear model of the names.

    x = [u, h]                 u: unit vector of a sentence encoder, h: hashed character n-grams, |h| = 1
    P(stream | x) = softmax(W x + b)

one model a city, fitted by penalised maximum likelihood. The vector knows what words mean, the n-grams
know parts of words ("...bulb", "... can") that the list treats alike.

References
----------
Weinberger et al. (2009) for hashed features; the classifier is scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.evaluation.calibration import softmax

BUCKETS = 2**12
LENGTHS = (2, 5)


@dataclass(frozen=True)
class StreamModel:
    """The model of one city.

    Attributes
    ----------
    streams : tuple of str
        The city's streams that its list names, in the order of the rows of `weights`.
    weights : ndarray of shape (streams, d + BUCKETS)
    offsets : ndarray of shape (streams,)
    """

    streams: tuple[str, ...]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]


def features(names: Sequence[str], vectors: NDArray[np.floating]) -> sparse.csr_array:
    """Rows ``[u, h]`` of names, of shape (names, d + BUCKETS).

    Parameters
    ----------
    names : sequence of str
    vectors : ndarray of shape (names, d)
        Their unit vectors.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(analyzer="char_wb", ngram_range=LENGTHS, n_features=BUCKETS).transform(names)
    return sparse.csr_array(sparse.hstack([sparse.csr_array(vectors), hashed]))


def fit_streams(
    names: Sequence[str], vectors: NDArray[np.floating], streams: Sequence[str], *, strength: float = 10.0
) -> StreamModel:
    """Fit the model of one city.

    Parameters
    ----------
    names, streams : sequence of str
        A name with two streams stands twice.
    vectors : ndarray of shape (names, d)
    strength : float
        Inverse of the penalty on the squared weights, above 0.

    Raises
    ------
    ValueError
        If the names have fewer than two streams.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(streams)) < 2:
        raise ValueError(f"the names have the streams {sorted(set(streams))}; expected two or more")
    fitted = LogisticRegression(C=strength, max_iter=2000).fit(features(names, vectors), list(streams))
    weights, offsets = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn keeps the second class alone
        weights, offsets = np.vstack([-weights / 2, weights / 2]), np.array([-offsets[0], offsets[0]]) / 2
    return StreamModel(
        tuple(map(str, fitted.classes_)), weights.astype(np.float32), offsets.astype(np.float32)
    )


def predict_streams(
    model: StreamModel, names: Sequence[str], vectors: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Probabilities of the streams, of shape (names, streams)."""
    logits = features(names, vectors) @ model.weights.T.astype(np.float64)
    return np.asarray(softmax(logits + model.offsets), dtype=np.float64)


def to_arrays(models: Mapping[str, StreamModel]) -> dict[str, NDArray[np.float32]]:
    """The models of all cities under the names ``city.weights`` and ``city.offsets``."""
    arrays = {}
    for city, model in models.items():
        arrays[f"{city}.weights"] = model.weights
        arrays[f"{city}.offsets"] = model.offsets
    return arrays


def from_arrays(
    arrays: Mapping[str, NDArray[np.float32]], streams: Mapping[str, Sequence[str]]
) -> dict[str, StreamModel]:
    """The models of the cities named in `streams` again.

    Raises
    ------
    ValueError
        If the arrays are not of these streams.
    """
    models = {}
    for city, named in streams.items():
        weights, offsets = arrays.get(f"{city}.weights"), arrays.get(f"{city}.offsets")
        if weights is None or offsets is None or not len(named) == len(weights) == len(offsets):
            raise ValueError(f"the stream model has no weights for the {len(named)} streams of {city}")
        models[city] = StreamModel(tuple(named), weights, offsets)
    return models
