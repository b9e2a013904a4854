"""Stage emotion-explain: parts and counterfactuals of a predicted turn.

The explained value is the network's in place of the forecaster (`forecast.stand_in`). Its parts are exact
Shapley values: they sum to the difference from the mean prediction of other artists. The counterfactual is
the smallest change of what was measured, within the range of the data, after which the artist would be
predicted to stay at least at the mean of the career. Both describe the model; neither is a cause.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Table
from tasks.emotion.contracts.tables import Artists, Careers, Forecasts
from tasks.emotion.contracts.trust import Explained, ExplainMetrics, ExplainOutputs
from tasks.emotion.forecast import stand_in
from tasks.emotion.forecast.stand_in import StandIn, Summary
from tasks.emotion.forecast.targets import audio_task
from tasks.emotion.params import ExplainParams, SplitParams
from tasks.emotion.trust import measured

Floats = np.ndarray


def explain(
    forecasts: Table[Forecasts],
    careers: Table[Careers],
    artists: Table[Artists],
    *,
    params: ExplainParams,
    split: SplitParams,
) -> ExplainOutputs:
    """Explain the forecasts of the most influential artists that are to turn darker."""
    import torch

    from methods.trust.hardening import Recipe

    torch.set_num_threads(1)
    summary = stand_in.summarise(audio_task(careers, split, artists), forecasts, params.dimension)
    recipe = Recipe(params.epochs, 128, 3e-3, 0.1, 5, 1.0, params.seed)
    model = stand_in.fit(summary, params.hidden, recipe, None)
    reissued = careers.loc[careers["reissue"], ["artist_id", "year"]]
    rows, candidates, darker = chosen(model, summary, artists, reissued, params)
    names = artists.set_index("artist_id")["artist"]
    generator = np.random.default_rng(params.seed)
    others = np.flatnonzero(~np.isin(summary.artist_id, summary.artist_id[rows]))
    background = summary.x[generator.choice(others, min(params.background, len(others)), replace=False)]
    parts, changes, explained, errors, within = [], [], [], [], []
    for row in rows:
        who = {"artist_id": summary.artist_id[row], "artist": names[summary.artist_id[row]]}
        table, error, inside = attributed(model, summary, row, background, params)
        parts.append(table.assign(**who))
        change = countered(model, summary, row, params)
        changes.append(change_table(summary, row, change).assign(**who))
        explained.append(
            _explained(model, summary, row, background, change, params, str(who["artist"]))
        )  # fmt: skip
        errors.append(error)
        within.append(inside)
    return ExplainOutputs(
        pd.concat(parts, ignore_index=True).round(6),
        pd.concat(changes, ignore_index=True).round(6),
        ExplainMetrics(
            dimension=params.dimension,
            margin=params.margin,
            fidelity=measured(model, summary),
            darker=darker,
            candidates=candidates,
            additivity_error=float(f"{max(errors):.1e}"),
            within_interval=round(float(np.mean(within)), 4),
            explained=explained,
        ),
    )


def chosen(
    model: StandIn, summary: Summary, artists: pd.DataFrame, reissued: pd.DataFrame, params: ExplainParams
) -> tuple[list[int], int, int]:
    """Return the rows to explain, the number of candidates, and of falls.

    Candidates are the last forecasts of artists in the test years that are no reissue, where the network
    is near the forecaster.
    """
    frame = pd.DataFrame({"artist_id": summary.artist_id, "time": summary.time, "row": range(len(summary.x))})
    again = pd.MultiIndex.from_arrays([frame["artist_id"], frame["time"].astype(int)]).isin(
        pd.MultiIndex.from_frame(reissued)
    )
    near = np.abs(model(summary.x) - summary.forecast) <= params.nearest
    last = frame[(summary.split == "test") & ~again].sort_values("time").groupby("artist_id").tail(1)
    last = last[near[last["row"]]]
    rows = last["row"].to_numpy()
    falls = last[summary.forecast[rows] < summary.mean[rows] - params.fall]
    influence = falls["artist_id"].map(artists.set_index("artist_id")["influences"]).fillna(0)
    order = falls.assign(influence=influence).sort_values(["influence", "artist_id"], ascending=[False, True])
    if order.empty:
        raise ContractError(
            f"emotion-explain: none of {len(last)} artists of the test years is predicted to fall by "
            f"{params.fall} below the mean of the career; lower emotion.explain.fall"
        )
    return [int(row) for row in order["row"].head(params.artists)], len(last), len(falls)


def attributed(
    model: StandIn, summary: Summary, row: int, background: Floats, params: ExplainParams
) -> tuple[pd.DataFrame, float, float]:
    """Return exact parts and their estimate, the error of the sum, and agreement."""
    from methods.trust.shapley import interventional, permutation

    x = summary.x[row]
    exact = interventional(model, x, background)
    estimate = permutation(model, x, background, permutations=params.permutations, seed=params.seed)
    error = abs(exact.sum() - (model(x[None])[0] - model(background).mean()))
    table = pd.DataFrame(
        {
            "time": summary.time[row],
            "input": list(summary.names),
            "value": summary.raw[row],
            "part": exact,
            "low": estimate.low,
            "high": estimate.high,
        }
    )
    return table, float(error), float(np.mean((estimate.low <= exact) & (exact <= estimate.high)))


def countered(model: StandIn, summary: Summary, row: int, params: ExplainParams) -> Floats | None:
    """Return the smallest plausible change that undoes the predicted turn."""
    from methods.trust.counterfactual import Box, search

    x, tail = summary.x[row], (1 - params.plausible) / 2
    low, high = np.quantile(summary.x[summary.learn], [tail, 1 - tail], axis=0)
    # The past before the last two years is the career: its means stay, like counts and dates.
    free = summary.movable & np.array(["so far" not in name for name in summary.names])
    low = np.where(free, np.minimum(low, x), x)
    high = np.where(free, np.maximum(high, x), x)
    return search(model, model.slope, x, _target(summary, row, params), Box(low, high), seed=params.seed)


def change_table(summary: Summary, row: int, change: Floats | None) -> pd.DataFrame:
    """Return each input with its needed value, in its own unit."""
    table = pd.DataFrame({"input": list(summary.names), "value": summary.raw[row]})
    if change is None:
        return table.assign(needed=np.nan, change=np.nan)
    spread = np.nanstd(summary.raw[summary.learn], axis=0)
    needed = np.where(change != 0, summary.raw[row] + change * spread, summary.raw[row])
    return table.assign(needed=needed, change=change)


def _target(summary: Summary, row: int, params: ExplainParams) -> float:
    return float(summary.mean[row]) + params.margin


def _explained(
    model: StandIn,
    summary: Summary,
    row: int,
    background: Floats,
    change: Floats | None,
    params: ExplainParams,
    artist: str,
) -> Explained:
    after = None if change is None else float(model((summary.x[row] + change)[None])[0])
    return Explained(
        artist=artist,
        year=int(summary.time[row]),
        so_far=round(float(summary.mean[row]), 4),
        forecast=round(float(summary.forecast[row]), 4),
        stand_in=round(float(model(summary.x[row][None])[0]), 4),
        baseline=round(float(model(background).mean()), 4),
        truth=round(float(summary.truth[row]), 4),
        target=round(_target(summary, row, params), 4),
        after=None if after is None else round(after, 4),
        length=None if change is None else round(float(np.linalg.norm(change)), 4),
    )
