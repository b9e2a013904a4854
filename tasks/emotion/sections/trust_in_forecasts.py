"""Section of the report on how far the forecasts can be trusted."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.contracts.trust import TrustOutputs
from tasks.emotion.forecast.groups import ADAPTED, GROUPINGS, PLAIN
from tasks.emotion.sections.figures import trust as draw
from tasks.report.blocks import Figure, Grid, Picture, Prose, Section, grid, plural, share
from tasks.report.drawing import svg

NETWORKS = {"plain": "trained as usual", "hardened": "trained against attacks"}


def finding(trust: TrustOutputs) -> list[str]:
    """Return the sentence on the group of artists with the lowest coverage."""
    metrics = trust.trust
    return [
        f"Intervals with a nominal level of {share(metrics.level)} are not equally good for all artists: the "
        f"lowest coverage of a group is {metrics.worst_group:.1%} ({metrics.worst_group_name}), and in "
        f"{metrics.groups_below_chance} of {metrics.comparisons} comparisons the worst group is below what "
        "chance gives. Intervals that adapt from year to year cover "
        f"{min(metrics.coverage_adaptive.values()):.1%} to {max(metrics.coverage_adaptive.values()):.1%} of "
        f"all targets (without: {min(metrics.coverage.values()):.1%} to "
        f"{max(metrics.coverage.values()):.1%})."
    ]


def section(trust: TrustOutputs) -> Section:
    """Return the section: attacks, coverage by group, and bagging."""
    metrics, attacks = trust.trust, trust.trust_attacks
    plain = attacks[attacks["network"] == "plain"]
    small = plain.iloc[0]
    sentence = (
        f"If every measured input of a forecast of {metrics.dimension} may be wrong by "
        f"{small['budget']:g} standard deviations, the worst case moves the forecast by "
        f"{small['moved']:.3f} on average, {small['moved'] / small['moved_random']:.1f} times as far as "
        f"random errors of that size ({small['moved_random']:.3f})."
    )
    picture = svg("attacks", (8.2, 3.2), sentence, partial(draw.attacks, table=attacks))
    return Section(
        "trust",
        "How far to trust the forecasts",
        (
            Prose(
                f"{sentence} The attacks are on a small network that reproduces our forecasts "
                f"(R² {metrics.fidelity.r2:.3f} on {plural(metrics.fidelity.artists, 'artist')} that it was "
                f"not trained on; {metrics.fidelity.r2_change:.2f} of the predicted change), not on the "
                "forecaster itself. Counts of songs and dates are left as they are, and no input leaves its "
                "range."
            ),
            Figure(
                (Picture(picture),),
                "Attacks on the network in place of the forecaster. Left: mean movement of the forecast "
                "under the worst and under random changes within the budget. Right: RMSE on test years if "
                f"the changes are chosen against the truth. Solid: network {NETWORKS['plain']}; dashed: "
                f"{NETWORKS['hardened']}.",
            ),
            _groups(trust),
            _bagging(trust.trust_bagging),
        ),
    )


def _groups(trust: TrustOutputs) -> Grid:
    table = trust.trust_coverage
    rows = []
    for (task, dimension), part in table.groupby(["task", "dimension"], sort=False):
        of_all = part[part["grouping"] == "all"].set_index("interval")["covered"]
        worst = {kind: _worst(part, kind) for kind in (PLAIN, ADAPTED)}
        rows.append(
            (
                f"{task}: {dimension}",
                f"{of_all[PLAIN]:.1%}", f"{worst[PLAIN]['group']}", f"{worst[PLAIN]['covered']:.1%}",
                f"{worst[PLAIN]['chance']:.1%}",
                f"{of_all[ADAPTED]:.1%}", f"{worst[ADAPTED]['group']}", f"{worst[ADAPTED]['covered']:.1%}",
            )
        )  # fmt: skip
    return grid(
        f"Coverage of {share(trust.trust.level)} intervals on test years, of all targets and of the worst "
        "group of artists by genre, length of career or number of past forecasts. Scaled intervals are "
        "calibrated on the validation years; adaptive ones learn after each year. “Chance”: the worst of the "
        "same groups is below this in 5% of the cases if the group of an artist has no effect.",
        ("dimension", "scaled", "worst group", "its coverage", "chance", "adaptive", "worst group",
         "its coverage"),
        rows,
        text=(2, 6),
    )  # fmt: skip


def _worst(part: pd.DataFrame, kind: str) -> pd.Series:
    rows = part[(part["interval"] == kind) & part["grouping"].isin(GROUPINGS)]
    if rows.empty:
        rows = part[part["interval"] == kind]
    return rows.loc[rows["covered"].idxmin()]


def _bagging(table: pd.DataFrame) -> Grid:
    rows = [
        (
            row.member, f"{row.correlation:.2f}", f"{1e4 * row.single:.2f}", f"{1e4 * row.bootstrap:.2f}",
            f"{1e4 * row.formula:.2f}", f"{1e4 * row.measured:.2f}", f"{1e4 * row.independent:.2f}",
            f"{row.rmse_single:.4f}", f"{row.rmse_bagged:.4f}",
        )
        for row in table.itertuples()
    ]  # fmt: skip
    return grid(
        f"Bagging of {int(table['members'].iloc[0])} regressions over artists, validation years. Variances "
        "(times 10,000) of one member s², between the members of one ensemble (bootstrap), and of the bagged "
        "mean over new artists: by ρs² + (1 − ρ)s²/B, measured on other ensembles, and by s²/B, which would "
        "hold for independent members.",
        ("member", "ρ", "s²", "bootstrap", "formula", "measured", "s²/B", "RMSE one", "RMSE bagged"),
        rows,
    )
