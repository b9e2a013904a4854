"""Score how unlike the training pictures a picture is.

A higher score is more unlike. With the probabilities p and logits z of a classifier of K classes, and with
features x:

    softmax       1 - max_k p_k                                       Hendrycks and Gimpel (2017)
    energy        -log sum_k exp z_k                                  Liu et al. (2020)
    classes       min_k (x - m_k)' S^-1 (x - m_k)                     Lee et al. (2018)
    neighbours    |x - x_(n)|, the n-th nearest training features     Sun et al. (2022)

where m_k is the mean of a class and S the covariance within the classes. The first two see what the
classifier kept of a picture, so a picture can be unlike all classes and still be classified with confidence.
The last two see the features.

References
----------
Hendrycks and Gimpel (2017), A baseline for detecting misclassified and
out-of-distribution examples. Liu et al. (2020), Energy-based out-of-distribution detection. Lee et al.
(2018), A simple unified framework for detecting out-of-distribution samples and adversarial attacks. Sun et
al. (2022), Out-of-distribution detection with deep nearest neighbors. Ledoit and Wolf (2004), A
well-conditioned estimator for large-dimensional covariance matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]


def by_softmax(probabilities: Floats) -> Floats:
    """Return ``1 - max_k p_k`` for probabilities (n, classes)."""
    return 1 - probabilities.max(axis=1)


def by_energy(logits: Floats) -> Floats:
    """Return ``-log sum_k exp z_k`` for logits (n, classes)."""
    top = logits.max(axis=1)
    return -(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))


@dataclass(frozen=True)
class ClassDistance:
    """Distance to the nearest class.

    Attributes
    ----------
    means : ndarray of shape (classes, width)
    whitening : ndarray of shape (width, width)
        W with ``W W' = S^-1``.
    """

    means: Floats
    whitening: Floats

    def score(self, features: Floats) -> Floats:
        """Return ``min_k |W' (x - m_k)|^2`` for features (n, width)."""
        points, centres = features @ self.whitening, self.means @ self.whitening
        return np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres]).min(axis=0)


def fit_class_distance(features: Floats, labels: ArrayLike) -> ClassDistance:
    """Fit the means of the classes and the covariance within them.

    The covariance is shrunk to a multiple of the identity (Ledoit and Wolf 2004), because there are fewer
    pictures than squares of features.

    Parameters
    ----------
    features : ndarray of shape (n, width)
    labels : array_like of shape (n,)
    """
    from sklearn.covariance import ledoit_wolf

    names, index = np.unique(np.asarray(labels), return_inverse=True)
    means = np.stack([features[index == k].mean(axis=0) for k in range(len(names))])
    covariance, _ = ledoit_wolf(features - means[index], assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    return ClassDistance(means, vectors / np.sqrt(values))


def by_neighbours(training: Floats, features: Floats, nearest: int) -> Floats:
    """Return the distance to the `nearest`-th nearest training features.

    Parameters
    ----------
    training : ndarray of shape (n, width)
        Unit vectors.
    features : ndarray of shape (m, width)
        Unit vectors.
    nearest : int
        1 for the nearest ones.

    Raises
    ------
    ValueError
        If `nearest` is not 1 to n.
    """
    if not 1 <= nearest <= len(training):
        raise ValueError(f"nearest is {nearest}; expected 1 to {len(training)}")
    cosines = features @ training.T
    largest = np.partition(cosines, len(training) - nearest, axis=1)[:, len(training) - nearest]
    return np.sqrt(np.maximum(2 - 2 * largest, 0.0))
