"""Params of networks of influence, causes and effects."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Params
from tasks.emotion.params.data import Names


class NetworkParams(Params):
    """Networks of influence that are modelled, and the length of the simulation."""

    genres: Names = Field(description="genres modelled with closed triples; larger ones take longer")
    decay: float = Field(
        description="decay of the weight of each further shared artist in a closed triple", ge=0, lt=20
    )
    min_artists: int = Field(
        description="artists that a genre needs to be modelled, or to be a node between decades", ge=3
    )
    min_pairs: int = Field(description="pairs in a decade that make one genre influence another", ge=1)
    effective: float = Field(description="independent networks that the final sample must be worth", ge=100)
    most_steps: int = Field(description="maximum number of proposals of a fit", ge=1_000_000)
    draws: int = Field(description="simulated networks for the goodness of fit", ge=20)
    bridges: int = Field(description="nodes of the integral of a simulated likelihood", ge=4)
    bridge_effective: float = Field(description="independent networks at each of these nodes", ge=50)
    seed: int = Field(description="random seed", ge=0)


class InfluenceParams(Params):
    """Ties of influence over time, and emotion predicted from the network."""

    validation_from: int = Field(
        description="year: ties of followers that began before it are for training", ge=1900, le=2100
    )
    test_from: int = Field(
        description="year: ties of followers that began from it on are for testing, those between for "
        "validation",
        ge=1900,
        le=2100,
    )
    half_life: float = Field(description="years between both ends that halve the weight of a tie", gt=0)
    known_share: float = Field(description="share of a follower's ties that are known", gt=0, lt=1)
    negatives: int = Field(description="other artists among which a tie is ranked", ge=10)
    ranked: int = Field(description="ties that are ranked, at most", ge=20)
    seeds: int = Field(description="repetitions, each with other negatives, halves and weights", ge=2)
    width: int = Field(
        description="width of the states of a graph network and the attention", ge=4, multiple_of=4
    )
    epochs: int = Field(description="maximum number of epochs of a graph network", ge=1)
    history: int = Field(description="earlier ties of an artist that the attention reads", ge=1)
    attention_epochs: int = Field(description="maximum number of epochs of the attention", ge=1)
    examples: int = Field(description="followers whose predicted influencers are listed", ge=1, le=20)
    dimensions: Names = Field(description="dimensions of sound that are predicted", min_length=1)
    held_out: float = Field(description="share of artists whose sound is predicted", gt=0, lt=0.5)
    validation: float = Field(description="share of artists that end the training", gt=0, lt=0.5)
    permutations: int = Field(description="permuted networks for the ridge regression", ge=19)
    network_permutations: int = Field(description="permuted networks for the best graph network", ge=2)
    draws: int = Field(description="bootstrap samples of followers or artists", ge=100)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _validation_before_test(self) -> Self:
        if self.validation_from >= self.test_from:
            raise ValueError("validation_from must be earlier than test_from")
        return self


class CausalParams(Params):
    """Panel of the causal graph, and the Granger tests."""

    dimensions: Names = Field(description="dimensions of the graph and the tests")
    min_songs: int = Field(description="songs below which a year is excluded", ge=1)
    max_gap: int = Field(description="maximum number of years between successive active years", ge=1)
    alpha: float = Field(description="level of each test of independence", gt=0, lt=1)
    false_discovery_rate: float = Field(
        description="false discovery rate of the Granger tests of one scope", gt=0, lt=1
    )
    draws: int = Field(description="bootstrap graphs, from artists drawn with replacement", ge=10)
    min_year_songs: int = Field(description="songs that a year of music as a whole needs", ge=1)
    max_lags: int = Field(
        description="maximum number of lags in years, chosen by BIC, for music as a whole", ge=1
    )
    influence_window: int = Field(
        description="years before a year of the follower from which its influencers are averaged", ge=1
    )
    seed: int = Field(description="random seed", ge=0)


class EffectsParams(Params):
    """Structural equations and their refutation tests."""

    order: Names = Field(
        description="causal order of the dimensions within one year; the last is the outcome", min_length=2
    )
    curve_cause: str = Field(
        description="dimension that is set from -2 to 2 standard deviations for the curve"
    )
    min_songs: int = Field(description="songs below which a year is excluded", ge=1)
    max_gap: int = Field(description="maximum number of years between successive active years", ge=1)
    influence_window: int = Field(
        description="years before a year of the follower from which its influencers are averaged", ge=1
    )
    alpha: float = Field(description="level of the tests that remove edges of the learnt graph", gt=0, lt=1)
    placebo_draws: int = Field(description="permutations of the cause for the placebo test", ge=19)
    random_cause_draws: int = Field(description="random common causes that are added in turn", ge=2)
    curve_draws: int = Field(description="bootstrap samples of artists for the curved equations", ge=10)
    seed: int = Field(description="random seed", ge=0)

    @model_validator(mode="after")
    def _cause_before_outcome(self) -> Self:
        if self.curve_cause not in self.order[:-1] or len(set(self.order)) < len(self.order):
            raise ValueError(
                f"curve_cause {self.curve_cause} must stand in order before the last, each name once"
            )
        return self
