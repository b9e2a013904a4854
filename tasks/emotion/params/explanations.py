"""Params of trust, explanations and the report."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from statewright.contracts import Params
from tasks.emotion.params.data import Names


class TrustParams(Params):
    """Attacks on the forecasts, intervals by group, and bagging over artists."""

    dimension: Literal["valence", "energy", "danceability", "acousticness"] = Field(
        description="dimension whose forecasts are attacked and bagged"
    )
    hidden: int = Field(description="hidden units of the network in place of the forecaster", ge=2, le=256)
    epochs: int = Field(description="epochs of its training", ge=1, le=1000)
    budgets: tuple[Annotated[float, Field(gt=0, le=4)], ...] = Field(
        description="largest changes of an input by an attack, in standard deviations", min_length=1
    )
    hardening: float = Field(description="budget of the attacks of adversarial training", gt=0, le=4)
    steps: int = Field(description="steps of an attack", ge=1)
    restarts: int = Field(description="starts of an attack", ge=1)
    level: float = Field(description="nominal coverage of the intervals", gt=0.5, lt=1)
    least_group: int = Field(description="targets that a group needs", ge=20)
    members: int = Field(description="members of a bagged ensemble", ge=2)
    outer: int = Field(description="samples of artists in place of new artists", ge=2)
    seed: int = Field(description="random seed", ge=0)


class ExplainParams(Params):
    """Explanations of forecasts of a darker turn."""

    dimension: Literal["valence", "energy", "danceability", "acousticness"] = Field(
        description="dimension whose forecasts are explained; a low valence is dark"
    )
    hidden: int = Field(description="hidden units of the network in place of the forecaster", ge=2, le=256)
    epochs: int = Field(description="epochs of its training", ge=1, le=1000)
    artists: int = Field(description="artists explained, the most influential ones", ge=1, le=12)
    background: int = Field(description="targets of other artists that stand for a typical one", ge=10)
    permutations: int = Field(description="pairs of orders of the estimated parts", ge=30)
    fall: float = Field(description="predicted fall below the artist's mean that counts as a turn", gt=0)
    nearest: float = Field(
        description="largest distance of the network from the forecast that it explains", gt=0
    )
    margin: float = Field(description="rise above the artist's mean that a counterfactual must reach", gt=0)
    plausible: float = Field(description="share of all targets whose values are plausible", gt=0.5, lt=1)
    seed: int = Field(description="random seed", ge=0)


class ReportParams(Params):
    """Content of the report."""

    artists: Names = Field(
        description="artists that the picker suggests, the first at the start; the page lists those that the "
        "data does not have, and suggests the longest careers if it has none"
    )
    careers_listed: int = Field(
        description="careers listed, those with the highest probability of a change", ge=1, le=200
    )
    tests_listed: int = Field(
        description="Granger tests listed, those with the smallest corrected p", ge=1, le=200
    )
    path_steps: int = Field(
        description="maximum number of groups of years on a path through the emotion plane", ge=2, le=40
    )
    bins: int = Field(description="groups of targets in a calibration figure", ge=3, le=50)
