"""Fisher-Rao distances against quadrature and numerical geodesics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, stats

from methods.sifa.geodesic import fisher_metric, geodesic
from methods.sifa.manifold import fisher_rao_distance

RATES = st.floats(0.01, 50)
DEVIATIONS = st.floats(0.05, 20)
MEANS = st.floats(-20, 20)


def probabilities(values: list[float]) -> np.ndarray:
    return np.array(values) / sum(values)


def covariance(seed: int, size: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size)


def length(path, information) -> float:  # type: ignore[no-untyped-def]
    """Return the length of a curve; `path` gives point and slope."""

    def speed(t: float) -> float:
        point, slope = path(t)
        return math.sqrt(slope @ information(point) @ slope)

    return integrate.quad(speed, 0, 1, epsabs=1e-13, epsrel=1e-13, limit=200)[0]


def test_poisson_is_the_integral_of_the_root_of_the_information() -> None:
    a, b = 0.7, 5.3
    summed = integrate.quad(lambda rate: math.sqrt(1 / rate), a, b, epsabs=1e-13, epsrel=1e-13)[0]
    assert fisher_rao_distance("poisson", a, b) == pytest.approx(summed, abs=1e-9)
    # The information itself: the mean square of the score over the counts, summed.
    counts = np.arange(200)
    score = counts / a - 1
    assert (stats.poisson.pmf(counts, a) * score**2).sum() == pytest.approx(1 / a, abs=1e-12)


def test_independent_rates_add_in_squares() -> None:
    a, b = np.array([1.0, 2.0, 0.3]), np.array([4.0, 2.5, 0.0])
    single = [fisher_rao_distance("poisson", *pair) for pair in zip(a, b, strict=True)]
    assert fisher_rao_distance("poisson", a, b) == pytest.approx(math.hypot(*single), abs=1e-12)


def test_two_categories_are_the_integral_of_the_bernoulli_information() -> None:
    a, b = 0.1, 0.85
    summed = integrate.quad(lambda p: 1 / math.sqrt(p * (1 - p)), a, b, epsabs=1e-13, epsrel=1e-13)[0]
    assert fisher_rao_distance("categorical", [a, 1 - a], [b, 1 - b]) == pytest.approx(summed, abs=1e-9)


def test_categories_are_a_sphere_of_radius_two() -> None:
    # The great circle through both points has the length of the distance in the metric diag(1 / p).
    a, b = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    angle = math.acos(np.sqrt(a * b).sum())

    def path(t: float) -> tuple[np.ndarray, np.ndarray]:
        root = (math.sin((1 - t) * angle) * np.sqrt(a) + math.sin(t * angle) * np.sqrt(b)) / math.sin(angle)
        turn = angle * (-math.cos((1 - t) * angle) * np.sqrt(a) + math.cos(t * angle) * np.sqrt(b))
        return root**2, 2 * root * turn / math.sin(angle)

    assert fisher_rao_distance("categorical", a, b) == pytest.approx(
        length(path, lambda p: np.diag(1 / p)), abs=1e-9
    )


def test_disjoint_categories_are_half_a_circle_apart() -> None:
    assert fisher_rao_distance("categorical", [1, 0], [0, 1]) == pytest.approx(math.pi, abs=1e-15)


def test_small_distances_keep_their_digits() -> None:
    # To first order the distance is that of the metric at the point; arccos would return 0 here.
    step = 1e-10
    expected = step * math.sqrt(1 / 0.4 + 1 / 0.6)
    found = fisher_rao_distance("categorical", [0.4, 0.6], [0.4 + step, 0.6 - step])
    assert found == pytest.approx(expected, rel=1e-5)
    assert fisher_rao_distance("normal", [0, 1], [step, 1]) == pytest.approx(step, rel=1e-9)


def test_normal_is_the_numerical_geodesic() -> None:
    def metric(theta: torch.Tensor) -> torch.Tensor:
        return torch.diag(torch.stack([1 / theta[1] ** 2, 2 / theta[1] ** 2]))

    for a, b in (((0, 1), (3, 2)), ((-1, 0.5), (1, 0.5)), ((0, 1), (0, 7))):
        relaxed = geodesic(metric, a, b, tolerance=1e-10)
        assert fisher_rao_distance("normal", a, b) == pytest.approx(relaxed.length, abs=1e-9)
        assert relaxed.speed_spread < 1e-8


def test_scale_of_a_normal_is_its_integral() -> None:
    summed = integrate.quad(lambda sd: math.sqrt(2) / sd, 0.3, 4, epsabs=1e-13, epsrel=1e-13)[0]
    assert fisher_rao_distance("normal", [2, 0.3], [2, 4]) == pytest.approx(summed, abs=1e-9)


def test_covariances_are_the_affine_invariant_metric() -> None:
    a, b = covariance(0, 4), covariance(1, 4)
    values = linalg.eigh(b, a, eigvals_only=True)
    found = fisher_rao_distance("centred_normal", a, b)
    assert found == pytest.approx(math.sqrt((np.log(values) ** 2).sum() / 2), abs=1e-9)
    # The curve A^1/2 (A^-1/2 B A^-1/2)^t A^1/2 has this length in the metric tr(S^-1 dS S^-1 dS) / 2.
    root = linalg.sqrtm(a).real
    inner = linalg.logm(np.linalg.solve(root, np.linalg.solve(root, b).T)).real

    def speed(t: float) -> float:
        power = linalg.expm(t * inner)
        slope = np.linalg.solve(root @ power @ root, root @ inner @ power @ root)
        return math.sqrt(np.trace(slope @ slope) / 2)

    assert found == pytest.approx(integrate.quad(speed, 0, 1, epsabs=1e-12, epsrel=1e-12)[0], abs=1e-9)


def test_a_variance_is_a_normal_with_a_known_mean() -> None:
    found = fisher_rao_distance("centred_normal", [[0.3**2]], [[4.0**2]])
    assert found == pytest.approx(fisher_rao_distance("normal", [0, 0.3], [0, 4]), abs=1e-12)


def test_covariances_do_not_depend_on_the_basis() -> None:
    a, b, basis = covariance(2, 3), covariance(3, 3), np.random.default_rng(4).normal(size=(3, 3))
    found = fisher_rao_distance("centred_normal", basis @ a @ basis.T, basis @ b @ basis.T)
    assert found == pytest.approx(fisher_rao_distance("centred_normal", a, b), abs=1e-9)


def members(family: str) -> st.SearchStrategy[np.ndarray]:
    return {
        "categorical": st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(probabilities),
        "poisson": st.lists(RATES, min_size=2, max_size=2).map(np.array),
        "normal": st.tuples(MEANS, DEVIATIONS).map(np.array),
        "centred_normal": st.integers(0, 10_000).map(lambda seed: covariance(seed, 3)),
    }[family]


@pytest.mark.parametrize("family", ["categorical", "poisson", "normal", "centred_normal"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_axioms_of_a_metric(family: str, data: st.DataObject) -> None:
    a, b, c = (data.draw(members(family)) for _ in range(3))
    there = fisher_rao_distance(family, a, b)  # type: ignore[arg-type]
    back = fisher_rao_distance(family, b, a)  # type: ignore[arg-type]
    by = fisher_rao_distance(family, a, c) + fisher_rao_distance(family, c, b)  # type: ignore[arg-type]
    assert there == pytest.approx(back, abs=1e-9)
    assert there <= by + 1e-9
    assert fisher_rao_distance(family, a, a) <= 1e-9  # type: ignore[arg-type]
    assert there > 0 or np.allclose(a, b)


@pytest.mark.parametrize(
    ("family", "wrong", "words"),
    [
        ("categorical", [0.5, 0.6], "sum to 1"),
        ("categorical", [1.2, -0.2], "at least 0"),
        ("categorical", [[0.5, 0.5]], "vector"),
        ("poisson", -1.0, "at least 0"),
        ("poisson", math.nan, "not finite"),
        ("normal", [0, 0], "more than 0"),
        ("normal", [0, -1], "more than 0"),
        ("normal", [0, 1, 2], "standard deviation"),
        ("centred_normal", [[1, 2], [2, 1]], "positive definite"),
        ("centred_normal", [[1, 0.5], [0, 1]], "symmetric"),
        ("centred_normal", [1, 2], "square"),
    ],
)
def test_no_member_is_refused(family: str, wrong: object, words: str) -> None:
    valid = {
        "categorical": [0.5, 0.5],
        "poisson": 1.0,
        "normal": [0, 1],
        "centred_normal": [[1, 0], [0, 1]],
    }[family]
    for pair in ((wrong, valid), (valid, wrong)):
        with pytest.raises(ValueError, match=words):
            fisher_rao_distance(family, *pair)  # type: ignore[arg-type]


def test_unequal_shapes_and_unknown_families_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        fisher_rao_distance("categorical", [0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="'categorical'"):
        fisher_rao_distance("gamma", 1, 2)  # type: ignore[arg-type]


def gamma_log_partition(eta: torch.Tensor) -> torch.Tensor:
    """Return A of the gamma family: shape eta_0 + 1, rate -eta_1."""
    return torch.lgamma(eta[0] + 1) - (eta[0] + 1) * torch.log(-eta[1])


def test_the_metric_of_a_family_is_the_covariance_of_its_statistics() -> None:
    eta = torch.tensor([1.5, -2.0], dtype=torch.float64)
    shape, rate = 2.5, 2.0

    def moment(i: int, j: int) -> float:
        def value(x: float) -> float:
            return stats.gamma.pdf(x, shape, scale=1 / rate) * math.log(x) ** i * x**j

        return integrate.quad(value, 0, 60, epsabs=1e-12, epsrel=1e-12, limit=200)[0]

    mean = (moment(1, 0), moment(0, 1))
    expected = [
        [moment(2, 0) - mean[0] ** 2, moment(1, 1) - mean[0] * mean[1]],
        [moment(1, 1) - mean[0] * mean[1], moment(0, 2) - mean[1] ** 2],
    ]
    assert fisher_metric(gamma_log_partition)(eta).numpy() == pytest.approx(np.array(expected), abs=1e-7)


def test_a_poisson_metric_in_natural_parameters_gives_the_closed_form() -> None:
    relaxed = geodesic(
        fisher_metric(lambda eta: torch.exp(eta).sum()), np.log([0.7, 2.0]), np.log([5.3, 1.0])
    )
    assert relaxed.length == pytest.approx(fisher_rao_distance("poisson", [0.7, 2], [5.3, 1]), abs=1e-8)


def test_the_geodesic_of_the_gamma_family_is_the_shortest_polyline() -> None:
    # There is no closed form. The energy of a polyline has its minimum at the geodesic, up to its steps.
    metric = fisher_metric(gamma_log_partition)
    a, b = np.array([0.5, -1.0]), np.array([4.0, -3.0])
    relaxed = geodesic(metric, a, b)

    def energy(inner: torch.Tensor, parts: int) -> torch.Tensor:
        ends = torch.from_numpy(np.stack([a, b]))
        points = torch.cat([ends[:1], inner.reshape(-1, 2), ends[1:]])
        steps, middles = points.diff(dim=0), (points[1:] + points[:-1]) / 2
        return parts * torch.einsum("ki,kij,kj->", steps, torch.func.vmap(metric)(middles), steps)

    from scipy.optimize import minimize

    lengths = []
    for parts in (16, 32):
        line = torch.from_numpy(np.linspace(a, b, parts + 1)[1:-1].ravel())
        slope = torch.func.grad_and_value(lambda inner, parts=parts: energy(inner, parts))

        def both(inner: np.ndarray, slope=slope) -> tuple[float, np.ndarray]:  # type: ignore[no-untyped-def]
            gradient, value = slope(torch.from_numpy(inner))
            return float(value), gradient.numpy()

        best = minimize(both, line.numpy(), jac=True, method="BFGS", options={"gtol": 1e-9})
        lengths.append(math.sqrt(best.fun))
    extrapolated = (4 * lengths[1] - lengths[0]) / 3  # the error of the midpoints is quadratic in the step
    assert relaxed.length == pytest.approx(extrapolated, rel=2e-6)
    assert lengths[1] != pytest.approx(extrapolated, rel=2e-6)  # so that the tolerance is a test


def test_a_geodesic_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no geodesic"):
        geodesic(fisher_metric(gamma_log_partition), [0.5, -1.0], [0.5, 1.0])
    with pytest.raises(ValueError, match="one length"):
        geodesic(torch.diag, [0.5, 1.0], [0.5])
