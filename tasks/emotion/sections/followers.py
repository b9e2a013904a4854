"""Section of the report on ties over time, and on the sound of followers."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.contracts.influence import (
    SETTING_NAMES,
    Difference,
    InfluenceOutputs,
    LinkSetting,
    NullGain,
    Sound,
)
from tasks.emotion.sections.figures import followers as draw
from tasks.report.blocks import (
    Cell,
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    interval,
    joined,
    plural,
    share,
    signed,
)
from tasks.report.drawing import svg

WORDS = {
    "newcomers": "Where no tie of the follower is known",
    "half known": "Where half of the follower's ties are known",
}
KINDS = ("random", "historical", "inductive", "matched")
NEIGHBOURS = "ridge, with neighbours"
AMONG = 100


def finding(influenced: InfluenceOutputs) -> list[str]:
    """Return a sentence on the ties and one on the sound."""
    metrics = influenced.influence_metrics
    return [_ties(influenced, "half known"), _sound(metrics.sound)]


def section(influenced: InfluenceOutputs) -> Section:
    """Return the section: the predictions, and what the ties say of the sound."""
    metrics, table = influenced.influence_metrics, influenced.influence_models
    settings = [name for name in SETTING_NAMES if name in metrics.settings]
    points = tuple(_ties(influenced, setting) for setting in settings)
    return Section(
        "followers",
        "Who follows whom",
        (
            Prose(_task(influenced)),
            Prose(points=(*points, _by_kind(table), _weights(metrics.settings), *_negatives(influenced))),
            _models(table),
            *(_grid(table, setting, metrics.settings[setting]) for setting in settings),
            _examples(influenced.influence_examples),
            Prose(points=(_sound(metrics.sound), *_null_texts(metrics.sound))),
            _nulls(influenced.influence_nulls),
            _sound_table(metrics.sound),
        ),
    )


def _task(influenced: InfluenceOutputs) -> str:
    metrics = influenced.influence_metrics
    return (
        f"The network has {count(metrics.ties)} ties among {count(metrics.artists)} artists. A tie has no "
        "date. Here it has the decade in which the follower began, the earliest time at which it could be "
        f"influenced; {plural(metrics.against_time, 'tie')} against time are left out. Models learn from "
        "followers of earlier decades and are judged on later ones, which they have not seen. The sound of "
        "an artist is the mean over its whole career, so it describes an artist and is not known in advance. "
        "The ties are judgements of the editors of AllMusic."
    )


def _ties(influenced: InfluenceOutputs, setting: str) -> str:
    one, table = influenced.influence_metrics.settings[setting], influenced.influence_models
    rows = table[table["setting"] == setting].set_index("model")
    ours, rival = (float(rows.loc[name, "mrr"]) for name in (one.network, one.rival))
    simple = rows[rows["family"] == "single feature"]["mrr"]
    return (
        f"{WORDS[setting]}, the best graph model ({one.network}) ranks a true influencer among {AMONG} "
        f"others with a mean reciprocal rank of {ours:.3f}, and {one.rival} with {rival:.3f}. "
        f"{_verdict(one.mrr, one.network)}. The best single figure ({simple.idxmax()}) has "
        f"{simple.max():.3f}. The average precision differs by {_figures(one.ap)}. Temporal attention "
        f"differs from {one.rival} by {_figures(one.attention)} in mean reciprocal rank."
    )


def _by_kind(table: pd.DataFrame) -> str:
    parts = []
    for setting, rows in table.groupby("setting", sort=False):
        best = [rows.loc[rows[f"ap_{kind}"].idxmax()] for kind in KINDS]
        names = joined(
            f"{kind} {row['model']} ({row[f'ap_{kind}']:.2f})" for kind, row in zip(KINDS, best, strict=True)
        )
        parts.append(f"{setting}, {names}")
    return (
        "Highest average precision by kind of negatives (all models learn from random ones): "
        f"{'; '.join(parts)}."
    )


def _verdict(gain: Difference, name: str) -> str:
    name = name if name[0].isupper() else f"The {name}"
    if gain.low > 0:
        return f"{name} is ahead ({_figures(gain)})"
    if gain.high < 0:
        return f"{name} is behind ({_figures(gain)})"
    return f"The two are not distinguishable ({_figures(gain)})"


def _figures(gain: Difference, digits: int = 3) -> str:
    return (
        f"{signed(gain.value, digits)}, 95% interval {signed(gain.low, digits)} to "
        f"{signed(gain.high, digits)}"
    )


def _weights(settings: dict[str, LinkSetting]) -> str:
    parts = joined(f"{name} {_figures(one.weights)}" for name, one in settings.items())
    return (
        "Weights of ties, by similarity of genres and years between both ends, change the mean reciprocal "
        f"rank of the GCN by: {parts}."
    )


def _negatives(influenced: InfluenceOutputs) -> list[str]:
    metrics = influenced.influence_metrics
    pairs = [
        f"{kind} {leak.ap:.2f} from “{leak.feature}” alone{' (a leak)' if leak.leak else ''}"
        for kind, leak in metrics.pair_leaks.items()
    ]
    leaks = [
        f"{kind} negatives, {setting} (“{leak.feature}”)"
        for setting, one in metrics.settings.items()
        for kind, leak in one.leaks.items()
        if leak.leak
    ]
    return [
        f"Test ties of which both ends had a tie in an earlier decade: {count(metrics.both_known)}. A "
        "follower begins in the decade of its ties, so nothing of it is known in the network before; the "
        "half-known setting shows half of its ties instead.",
        "Historical and inductive negatives as pairs of another time make no sense here, because a tie "
        f"occurs once: average precision {joined(pairs)}. Therefore only the influencer is exchanged: by "
        "one that had followers in the training time (historical), by one that had none then (inductive), "
        "by any earlier artist (random), or by one of the same genre and decade (matched).",
        f"A single figure tells all negatives: {joined(leaks)}."
        if leaks
        else "No single figure tells the negatives of any kind from the ties, so none of them leaks.",
    ]


def _models(table: pd.DataFrame) -> Figure:
    chance = sum(1 / rank for rank in range(1, AMONG + 2)) / (AMONG + 1)
    best = table.sort_values("mrr").groupby("setting").tail(1)
    text = joined(f"{row.setting}: {row.model} ({row.mrr:.2f})" for row in best.itertuples())
    picture = svg(
        "followers-models", (8.4, 4.0), f"Mean reciprocal rank of all models. Highest, {text}.",
        partial(draw.models, table=table, chance=chance),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"How well a true influencer is ranked among {AMONG} other artists: 1 would be always first, the "
        "dashed line is a random order. Bars: standard deviation over repetitions with other negatives and "
        "starting weights.",
    )


def _grid(table: pd.DataFrame, setting: str, one: LinkSetting) -> Grid:
    part = table[table["setting"] == setting]
    columns = ["auc_random", *(f"ap_{kind}" for kind in KINDS), "mrr"]
    rows = [
        (
            model,
            *(
                Cell(f"{value:.3f}", value == part[name].max())
                for name, value in zip(columns, values, strict=True)
            ),
        )
        for model, *values in part[["model", *columns]].itertuples(index=False)
    ]
    return grid(
        f"{WORDS[setting]}: area under the ROC curve with random negatives, average precision with four "
        f"kinds of negatives, and mean reciprocal rank among {AMONG} random ones. {count(one.test)} ties of "
        f"{count(one.followers)} followers. Graph networks and attention read the 14 features and the "
        "content (genre, decade, sound), too.",
        ("model", "AUC", *KINDS, "MRR"),
        rows,
    )


def _examples(table: pd.DataFrame) -> Grid:
    rows = []
    for follower, part in table.groupby("follower", sort=False):
        names = joined(f"{row.influencer}{' ✓' if row.tie else ''}" for row in part.itertuples())
        rows.append((str(follower), names, f"{int(part['tie'].sum())} of {len(part)}"))
    first = table.iloc[0]
    return grid(
        "Influencers that the best graph model ranks highest for the followers with most ties, "
        f"among about {count(first['candidates'])} artists. ✓: the editors name it, which the model was not "
        "shown. Half of each follower's ties were shown, and are not in the list.",
        ("follower", "most likely influencers", "named"),
        rows,
        text=(1,),
    )


def _sound(sound: Sound) -> str:
    near, network = sound.models[NEIGHBOURS], sound.models[sound.network]
    one_side = joined(
        f"{side} alone save {share(sound.models[f'ridge, with {side}'].gain.value)}"
        for side in ("influencers", "followers")
    )
    return (
        "The ties of an artist say more of its sound than its genre and decade: a regression on the mean "
        f"sound of its influencers and followers saves {share(near.gain.value)} of the squared error "
        f"(95% interval {interval(100 * near.gain.low, 100 * near.gain.high, 0)}%) of "
        f"{count(sound.held_out)} held-out artists. {sound.network}, the best graph network by validation, "
        f"saves {share(network.gain.value)}; against the regression that is "
        f"{_beside(network.over_neighbours)}. In the regression {one_side}."
    )


def _beside(gain: Difference) -> str:
    figures = (
        f"({signed(100 * gain.value, 1)}%, 95% interval {signed(100 * gain.low, 1)}% to "
        f"{signed(100 * gain.high, 1)}%)"
    )
    if gain.low > 0:
        return f"better {figures}"
    return f"{'worse' if gain.high < 0 else 'not distinguishable'} {figures}"


def _null_texts(sound: Sound) -> list[str]:
    return [
        f"{model}: {joined(_null(kind, null) for kind, null in kinds.items())}; on the network as it is "
        f"{signed(100 * next(iter(kinds.values())).real, 1)}%."
        for model, kinds in sound.nulls.items()
    ]


def _null(kind: str, null: NullGain) -> str:
    return (
        f"on {null.draws} permuted networks with the {kind} it saves {signed(100 * null.permuted, 1)}% on "
        f"average, {signed(100 * null.highest, 1)}% at most"
    )


def _nulls(table: pd.DataFrame) -> Figure:
    part = table[table["model"] == NEIGHBOURS]
    real = float(part.loc[part["kind"] == "real", "gain"].iloc[0])
    picture = svg(
        "followers-nulls", (8.2, 2.4),
        f"The network saves {100 * real:.1f}% of the squared error, permuted networks at most "
        f"{100 * part.loc[part['kind'] != 'real', 'gain'].max():.1f}%.",
        partial(draw.nulls, table=part),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        "Does it matter who influenced whom? In permuted networks every artist keeps its number of ties, and "
        "in the stricter kind also the genres and decades of its influencers; only who they are is random. "
        "The first division of artists.",
    )


def _sound_table(sound: Sound) -> Grid:
    dimensions = list(next(iter(sound.models.values())).mse)
    best = {name: min(one.mse[name] for one in sound.models.values()) for name in dimensions}
    rows: list[tuple[str | Cell, ...]] = [
        (
            name,
            *(Cell(f"{one.mse[d]:.3f}", one.mse[d] == best[d]) for d in dimensions),
            signed(100 * one.gain.value, 1) + "%",
            f"{signed(100 * one.gain.low, 1)}% to {signed(100 * one.gain.high, 1)}%",
        )
        for name, one in sorted(sound.models.items(), key=lambda item: item[1].gain.value)
    ]
    return grid(
        "Squared error of the mean sound of held-out artists, by dimension, in units of the variance over "
        "artists; and the share of the error of the regression on genre and decade that is saved, with its "
        "95% interval over artists.",
        ("model", *dimensions, "saved", "interval"),
        rows,
    )
