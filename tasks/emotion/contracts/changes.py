"""Outputs of the stage emotion-changepoint: changes of careers and of all music."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document
from tasks.emotion.contracts.tables import AUDIO, ChangeProbabilities


class Changes(ChangeProbabilities):
    """Probability of a change by series and year.

    `*_regime` is the posterior mean of the regime mean in the feature's own unit, for careers of the level
    with its persistent deviation; missing for innovations.
    """

    regimes: Series[float] = pa.Field(alias="^(" + "|".join(AUDIO) + ")_regime$", regex=True, nullable=True)


class ChangeCounts(pa.DataFrameModel):
    """One row per series and number of changes k: its posterior probability."""

    series: Series[str]
    artist_id: Series[float] = pa.Field(nullable=True)
    k: Series[int] = pa.Field(ge=0)
    probability: Series[float] = pa.Field(ge=0, le=1)


class CareerTests(pa.DataFrameModel):
    """One row per career: the evidence of a change beyond persistence.

    `probability` is that of at least one change. `p_value` compares it with simulated careers without a
    change, `adjusted` corrects for the number of careers (Benjamini and Hochberg).
    """

    series: Series[str]
    artist_id: Series[float]
    probability: Series[float] = pa.Field(ge=0, le=1)
    p_value: Series[float] = pa.Field(gt=0, le=1)
    adjusted: Series[float] = pa.Field(gt=0, le=1)
    changed: Series[bool]


class Landmark(Document):
    """A published year of change and the change points near it.

    `nearest` is the nearest year of the most probable segmentation (0: it has none), `within`
    the posterior probability of a change at most `near` years away.
    """

    nearest: int
    distance: int
    within: float


class RegimeModel(Document):
    """One model of a regime for a series of music as a whole.

    All models are fitted to the same standardised years. `waic` is on the deviance scale (lower is
    better); at `unreliable` years its variance exceeds 0.4. `near` is the posterior probability of a
    change at most `near` years from each published one.
    """

    waic: float
    unreliable: int
    log_evidence: float
    expected_changes: float
    near: dict[str, float]


class WholeMetrics(Document):
    """One series of music as a whole.

    `log_evidence` leaves the first year out, so that levels and innovations compare (in nats; the
    autoregression's slope per dimension is fitted, which flatters innovations by a few).
    `mauch_chance` is the share of random placements of as many changes as the most probable
    segmentation has that come as near to the published years. `persistent_chance` and
    `persistent_changes` are for simulated series that persist and drift but do not change, for levels
    only: the share whose changes come as near, and the mean number of changes of their most probable
    segmentation. `models` compares regimes of one level with regimes of a trend and persistence, for
    levels only.
    """

    years: int
    expected_changes: float
    probability_of_change: float
    map_changes: int
    log_evidence: float
    mauch: dict[str, Landmark]
    mauch_chance: float
    persistent_chance: float | None = None
    persistent_changes: float | None = None
    models: dict[str, RegimeModel]


class CareerModel(Document):
    """One model of all careers.

    `certain` and `likely` count careers whose probability of a change is above 0.9 and 0.5. `null_*` is the
    mean over sets of simulated careers, which persist but do not change. `log_evidence` is of the
    standardised yearly means, in nats.
    """

    log_evidence: float
    mean_probability: float
    certain: int
    likely: int
    null_mean_probability: float
    null_certain: float
    null_likely: float


class CareerMetrics(Document):
    """All careers.

    `changed` careers have a change that persistence does not explain, at the false discovery rate of the
    params. `rate` is the expected number of changes of a career, fitted, and `gain` the log evidence that
    changes at this rate add to persistence without changes. `persistent` is that model, `levels` the one of
    regimes of independent years.
    """

    careers: int
    changed: int
    false_discovery_rate: float
    smallest_p: float
    rate: float
    gain: float
    noise_ratio: float
    persistent: CareerModel
    levels: CareerModel


class ChangepointMetrics(Document):
    """Series of music as a whole by name, and all careers."""

    whole: dict[str, WholeMetrics]
    careers: CareerMetrics
