"""Contracts of the outputs of the stage emotion-influence."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table

SETTING_NAMES = ["newcomers", "half known"]


class LinkModels(pa.DataFrameModel):
    """One row per setting and model: scores of test ties, means over seeds.

    AP and AUC are against as many negatives as there are ties, of four kinds; `mrr` is the mean reciprocal
    rank among random negatives. `validation` is the average precision on validation ties, by which models
    are chosen.
    """

    setting: Series[str] = pa.Field(isin=SETTING_NAMES)
    model: Series[str]
    family: Series[str] = pa.Field(isin=["single feature", "table", "network"])
    validation: Series[float] = pa.Field(ge=0, le=1)
    auc_random: Series[float] = pa.Field(ge=0, le=1)
    auc_historical: Series[float] = pa.Field(ge=0, le=1)
    auc_inductive: Series[float] = pa.Field(ge=0, le=1)
    auc_matched: Series[float] = pa.Field(ge=0, le=1)
    ap_random: Series[float] = pa.Field(ge=0, le=1)
    ap_historical: Series[float] = pa.Field(ge=0, le=1)
    ap_inductive: Series[float] = pa.Field(ge=0, le=1)
    ap_matched: Series[float] = pa.Field(ge=0, le=1)
    mrr: Series[float] = pa.Field(ge=0, le=1)
    mrr_sd: Series[float] = pa.Field(ge=0, description="standard deviation over seeds")

    class Config:
        unique: ClassVar[list[str]] = ["setting", "model"]


class LinkGuesses(pa.DataFrameModel):
    """One row per test tie or random negative of it, with two scores (log odds).

    `score` is that of the best network, `rival` that of the best other model, for the first seed.
    """

    setting: Series[str] = pa.Field(isin=SETTING_NAMES)
    follower_id: Series[int]
    influencer_id: Series[int]
    decade: Series[int] = pa.Field(ge=1900, le=2100)
    tie: Series[bool]
    score: Series[float]
    rival: Series[float]


class LinkExamples(pa.DataFrameModel):
    """One row per example: an influencer that is predicted for a follower.

    `rank` is among all artists that began no later and are not known influencers already.
    """

    follower_id: Series[int]
    follower: Series[str]
    influencer_id: Series[int]
    influencer: Series[str]
    genre: Series[str] = pa.Field(description="of the influencer")
    rank: Series[int] = pa.Field(ge=1)
    candidates: Series[int] = pa.Field(ge=1)
    tie: Series[bool] = pa.Field(description="is a tie that the model did not see")

    class Config:
        unique: ClassVar[list[str]] = ["follower_id", "influencer_id"]


class SoundNulls(pa.DataFrameModel):
    """One row per model, kind of permuted network and draw: gain over a baseline.

    `gain` is ``1 - MSE / MSE of the regression on genre and decade``, over all dimensions. The network as
    it is has the kind ``real``.
    """

    model: Series[str]
    kind: Series[str]
    draw: Series[int] = pa.Field(ge=0)
    gain: Series[float] = pa.Field(le=1)

    class Config:
        unique: ClassVar[list[str]] = ["model", "kind", "draw"]


class Difference(Document):
    """A paired difference with its 95 % interval over followers or artists."""

    value: float
    low: float
    high: float


class Leak(Document):
    """Best single feature for negatives of one kind, and its average precision."""

    feature: str
    ap: float
    leak: bool


class LinkSetting(Document):
    """One setting: counts, the chosen models, and their differences on test ties.

    Models are chosen by validation: `network` among those that learn from the network by layers or
    attention, `rival` among all others. A difference is `network` minus `rival`.
    """

    train: int
    validation: int
    test: int
    followers: int
    network: str
    rival: str
    mrr: Difference
    ap: Difference
    weights: Difference
    leaks: dict[str, Leak]


class SoundModel(Document):
    """Squared error of held-out artists by dimension, and gain over two baselines.

    The unit is the variance of the known artists. `gain` is that over the ridge regression on genre and
    decade, ``1 - MSE / MSE``; `over_neighbours` is over the ridge regression that also reads neighbours.
    """

    mse: dict[str, float]
    gain: Difference
    over_neighbours: Difference


class NullGain(Document):
    """Gain of a model on the network, and on permuted ones."""

    real: float
    permuted: float
    highest: float
    p_value: float
    draws: int


class Sound(Document):
    """Emotion of artists from the network: models, and the null by model and kind."""

    held_out: int
    network: str
    models: dict[str, SoundModel]
    nulls: dict[str, dict[str, NullGain]]


class InfluenceMetrics(Document):
    """Counts, and both tasks.

    `both_known` counts the test ties of which both ends have a tie in an earlier decade. `pair_leaks` has
    the negatives of pairs that Poursafaei et al. (2022) define.
    """

    artists: int
    ties: int
    against_time: int
    ambiguous: int
    both_known: int
    pair_leaks: dict[str, Leak]
    settings: dict[str, LinkSetting]
    sound: Sound


class InfluenceOutputs(NamedTuple):
    """Outputs of the stage emotion-influence."""

    influence_models: Table[LinkModels]
    influence_links: Table[LinkGuesses]
    influence_examples: Table[LinkExamples]
    influence_nulls: Table[SoundNulls]
    influence_metrics: InfluenceMetrics
