"""Stage emotion-trust: how far the forecasts can be trusted.

Attacks change what was measured about an artist within a budget, and move the forecast as far as they
can. Intervals are scored group by group of artists, because a correct coverage of all can hide a group
that is rarely covered. Bagging over artists shows how much a forecast depends on the artists it was learnt
from. Nothing is chosen on the test years.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from statewright.contracts import Table
from tasks.emotion.contracts.tables import Artists, Careers, Forecasts
from tasks.emotion.contracts.trust import BaggingSummary, Fidelity, TrustMetrics, TrustOutputs
from tasks.emotion.forecast import stand_in
from tasks.emotion.forecast.groups import ADAPTED, PLAIN, group_coverage
from tasks.emotion.forecast.stand_in import StandIn, Summary
from tasks.emotion.forecast.targets import audio_task
from tasks.emotion.params import SplitParams, TrustParams

Floats = np.ndarray


def trust(
    forecasts: Table[Forecasts],
    careers: Table[Careers],
    artists: Table[Artists],
    *,
    params: TrustParams,
    split: SplitParams,
) -> TrustOutputs:
    """Attack the forecasts, score intervals by group, and bag over artists."""
    import torch

    from methods.trust.attacks import Ball
    from methods.trust.hardening import Recipe

    torch.set_num_threads(1)
    summary = stand_in.summarise(audio_task(careers, split, artists), forecasts, params.dimension)
    recipe = Recipe(params.epochs, 128, 3e-3, 0.1, 5, 0.5, params.seed)
    # The box keeps every input within the range seen in training.
    low, high = (torch.tensor(end(summary.x[summary.learn], axis=0)).float() for end in (np.min, np.max))
    radius = params.hardening * torch.tensor(summary.movable).float()
    networks = {
        "plain": stand_in.fit(summary, params.hidden, recipe, None),
        "hardened": stand_in.fit(summary, params.hidden, recipe, Ball(radius, low=low, high=high)),
    }
    attacks = pd.concat([attacked(name, model, summary, params) for name, model in networks.items()])
    coverage, bagging = group_coverage(forecasts, artists, params), bagged(summary, params).round(6)
    return TrustOutputs(
        attacks.reset_index(drop=True).round(5),
        coverage.round(5),
        bagging,
        _metrics(networks["plain"], summary, coverage, bagging, params),
    )


def measured(model: StandIn, summary: Summary) -> Fidelity:
    """Return the fidelity of the network on artists that it was not trained on."""
    rows = ~summary.learn
    r2, change = stand_in.fidelity(model, summary, rows)
    return Fidelity(
        targets=int(rows.sum()),
        artists=len(np.unique(summary.artist_id[rows])),
        r2=round(r2, 4),
        r2_change=round(change, 4),
    )


def attacked(name: str, model: StandIn, summary: Summary, params: TrustParams) -> pd.DataFrame:
    """Move each test forecast as far as a budget allows."""
    import torch

    from methods.trust.attacks import Ball, maximise

    network = stand_in.as_network(model)
    rows = summary.split == "test"
    x, truth = torch.tensor(summary.x[rows]), torch.tensor(summary.truth[rows])
    low, high = (torch.tensor(end(summary.x[summary.learn], axis=0)) for end in (np.min, np.max))
    movable = torch.tensor(summary.movable).double()
    x = torch.clamp(x, low, high)
    generator = torch.Generator().manual_seed(params.seed)
    clean = network(x)
    records = []
    for budget in params.budgets:
        ball = Ball(budget * movable, low=low, high=high)
        worst = maximise(
            lambda point: (network(point) - truth) ** 2, x, ball,
            steps=params.steps, restarts=params.restarts, seed=params.seed,
        )  # fmt: skip
        farthest = maximise(
            lambda point: (network(point) - clean).abs(), x, ball,
            steps=params.steps, restarts=params.restarts, seed=params.seed,
        )  # fmt: skip
        moved = (network(farthest) - clean).abs().numpy()
        random = (network(ball.start(x, generator)) - clean).abs().numpy()
        records.append(
            {
                "network": name,
                "budget": budget,
                "moved": float(moved.mean()),
                "moved_random": float(random.mean()),
                "moved_most": float(np.quantile(moved, 0.95)),
                "rmse": float(((clean - truth) ** 2).mean().sqrt()),
                "rmse_attacked": float(((network(worst) - truth) ** 2).mean().sqrt()),
            }
        )
    return pd.DataFrame(records)


def bagged(summary: Summary, params: TrustParams) -> pd.DataFrame:
    """Bag two kinds of regression over artists, on the training years.

    The variance over new artists is imitated by outer samples of artists. Half of the members of each
    estimate the components, the other half measure what the formula predicts.
    """
    from sklearn.linear_model import Ridge
    from sklearn.tree import DecisionTreeRegressor

    from methods.trust import bagging

    learn, score = summary.split == "train", summary.split == "validation"
    x, y, group = summary.x[learn], summary.truth[learn], summary.artist_id[learn]
    kinds = {
        "ridge": lambda: Ridge(1.0),
        "tree": lambda: DecisionTreeRegressor(min_samples_leaf=5, random_state=params.seed),
    }
    count, records = params.members, []
    for name, make in kinds.items():
        predictions = np.empty((params.outer, 2 * count, int(score.sum())))
        for i, outer in enumerate(bagging.bootstrap_rows(group, params.outer, params.seed)):
            for j, rows in enumerate(_inner(group, outer, 2 * count, params.seed + i)):
                predictions[i, j] = make().fit(x[rows], y[rows]).predict(summary.x[score])
        found = bagging.variance_components(predictions[:, :count])
        other = predictions[:, count:].mean(axis=1).var(axis=0, ddof=1)
        own = np.array(
            [
                make().fit(x[rows], y[rows]).predict(summary.x[score])
                for rows in bagging.bootstrap_rows(group, count, params.seed + params.outer)
            ]
        )
        single = make().fit(x, y).predict(summary.x[score])
        truth = summary.truth[score]
        records.append(
            {
                "member": name,
                "members": count,
                "correlation": float((found.correlation * found.member).mean() / found.member.mean()),
                "single": float(found.member.mean()),
                "bootstrap": float(bagging.bootstrap_variance(own).mean()),
                "formula": float(found.of_mean(count).mean()),
                "measured": float(other.mean()),
                "independent": float(found.member.mean() / count),
                "rmse_single": float(np.sqrt(np.mean((single - truth) ** 2))),
                "rmse_bagged": float(np.sqrt(np.mean((own.mean(axis=0) - truth) ** 2))),
            }
        )
    return pd.DataFrame(records)


def _inner(group: Floats, outer: Floats, members: int, seed: int) -> list[Floats]:
    """Resample the artists of an outer sample; an artist drawn twice counts as two."""
    from methods.trust.bagging import bootstrap_rows

    # The k-th copy of a row belongs to the k-th copy of its artist.
    copy = pd.Series(outer).groupby(outer).cumcount().to_numpy()
    names = np.unique(np.column_stack([group[outer], copy]), axis=0, return_inverse=True)[1].ravel()
    return [outer[rows] for rows in bootstrap_rows(names, members, seed)]


def _metrics(
    model: StandIn, summary: Summary, coverage: pd.DataFrame, bagging: pd.DataFrame, params: TrustParams
) -> TrustMetrics:
    keys = ["task", "dimension", "grouping"]
    worst = {
        kind: rows.loc[rows.groupby(keys)["covered"].idxmin()]
        for kind, rows in coverage[coverage["grouping"] != "all"].groupby("interval")
    }
    lowest = worst[PLAIN].loc[worst[PLAIN]["covered"].idxmin()]
    return TrustMetrics(
        dimension=params.dimension,
        level=params.level,
        fidelity=measured(model, summary),
        worst_group=round(float(lowest["covered"]), 4),
        worst_group_name=f"{lowest['task']} {lowest['dimension']}: {lowest['group']}",
        worst_group_adaptive=round(float(worst[ADAPTED]["covered"].min()), 4),
        comparisons=len(worst[PLAIN]),
        groups_below_chance=int((worst[PLAIN]["covered"] < worst[PLAIN]["chance"]).sum()),
        groups_below_chance_adaptive=int((worst[ADAPTED]["covered"] < worst[ADAPTED]["chance"]).sum()),
        coverage=_overall(coverage, PLAIN),
        coverage_adaptive=_overall(coverage, ADAPTED),
        bagging=[
            BaggingSummary(**{name: getattr(row, name) for name in BaggingSummary.model_fields})
            for row in bagging.itertuples()
        ],
    )


def _overall(coverage: pd.DataFrame, interval: str) -> dict[str, float]:
    rows = coverage[(coverage["grouping"] == "all") & (coverage["interval"] == interval)]
    return {f"{row.task}_{row.dimension}": round(float(row.covered), 4) for row in rows.itertuples()}
