"""Linear model of a city's list: the stream of a name that is not on the list.

    x = [u, h]                 u: unit vector of a sentence encoder, h: hashed character n-grams, |h| = 1
    P(stream | x) = softmax(W x + b)

Each city has its own model, fitted by penalised maximum likelihood. The vector represents the meaning of
the words. The n-grams represent parts of words ("...bulb", "... can") that the list treats equally.

References
----------
Weinberger et al. (2009), Feature hashing for large scale multitask learning. The classifier is
scikit-learn's ``LogisticRegression``.
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
    """Weights of one city's model.

    Attributes
    ----------
    streams : tuple of str
        The streams on the city's list, in the order of the rows of `weights`.
    weights : ndarray of shape (streams, d + BUCKETS)
    offsets : ndarray of shape (streams,)
    """

    streams: tuple[str, ...]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]


def features(names: Sequence[str], vectors: NDArray[np.floating]) -> sparse.csr_array:
    """Return the rows ``[u, h]`` of names, of shape (names, d + BUCKETS).

    Parameters
    ----------
    names : sequence of str
    vectors : ndarray of shape (names, d)
        Unit vectors of the names.
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
        Pairs of the list; a name with two streams occurs twice.
    vectors : ndarray of shape (names, d)
    strength : float
        Inverse of the penalty on the squared weights, above 0.

    Raises
    ------
    ValueError
        If the names have fewer than two different streams.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(streams)) < 2:
        raise ValueError(
            f"the names have the streams {sorted(set(streams))}; expected two or more different streams"
        )
    fitted = LogisticRegression(C=strength, max_iter=2000).fit(features(names, vectors), list(streams))
    weights, offsets = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn stores only the second class
        weights, offsets = np.vstack([-weights / 2, weights / 2]), np.array([-offsets[0], offsets[0]]) / 2
    return StreamModel(
        tuple(map(str, fitted.classes_)), weights.astype(np.float32), offsets.astype(np.float32)
    )


def predict_streams(
    model: StreamModel, names: Sequence[str], vectors: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the probabilities of the streams, of shape (names, streams)."""
    logits = features(names, vectors) @ model.weights.T.astype(np.float64)
    return np.asarray(softmax(logits + model.offsets), dtype=np.float64)


def to_arrays(models: Mapping[str, StreamModel]) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of all models, named ``city.weights`` and ``city.offsets``."""
    arrays = {}
    for city, model in models.items():
        arrays[f"{city}.weights"] = model.weights
        arrays[f"{city}.offsets"] = model.offsets
    return arrays


def from_arrays(
    arrays: Mapping[str, NDArray[np.float32]], streams: Mapping[str, Sequence[str]]
) -> dict[str, StreamModel]:
    """Return the models of the cities in `streams` from the arrays of `to_arrays`.

    Raises
    ------
    ValueError
        If an array is missing or does not have one row for each stream.
    """
    models = {}
    for city, names in streams.items():
        weights, offsets = arrays.get(f"{city}.weights"), arrays.get(f"{city}.offsets")
        if weights is None or offsets is None or not len(names) == len(weights) == len(offsets):
            raise ValueError(f"the stream model has no weights for the {len(names)} streams of {city}")
        models[city] = StreamModel(tuple(names), weights, offsets)
    return models
