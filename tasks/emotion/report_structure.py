"""Sections of the report on what belongs together: attention between modalities, and causality."""

from __future__ import annotations

import pandas as pd

from tasks.emotion import figures_models as draw
from tasks.emotion.causal import CausalMetrics
from tasks.emotion.figures import svg
from tasks.emotion.fusion import MODALITIES, FusionSummary
from tasks.emotion.panels import TIERS
from tasks.emotion.params import ReportParams
from tasks.emotion.report_blocks import (
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

KINDS = {"year": "years of a career", "album": "albums"}
SCOPES = {
    "within-artist": "own last year → this year",
    "influencer->follower": "influencers → follower",
    "random artist->follower": "placebo: random artists → follower",
    "music-year": "all music, earlier → later",
}


def attention(table: pd.DataFrame, fusion: FusionSummary) -> Section:
    """Mean attention for each set of modalities that a release can have; and does fusion pay?"""
    patterns = _patterns(table)
    pictures, rows = [], []
    for (kind, names), part in patterns.items():
        title = f"{KINDS[kind].capitalize()} with {joined(names)}"
        weights = part.groupby("query")[[f"key_{name}" for name in names]].mean().reindex(names)
        weights.columns = list(names)
        importance = part[part["head"] == 0].groupby("query")["importance"].mean()
        releases = part["release_id"].nunique()
        alt = f"{title}: " + "; ".join(
            f"{query} reads " + joined(f"{weights.loc[query, key]:.2f} from {key}" for key in names)
            for query in names
        )
        pictures.append(
            Picture(
                svg(f"attention-{kind}-{'-'.join(names)}", (4.3, 1.1 + 0.5 * len(names)), alt,
                    lambda figure, w=weights, i=importance: draw.attention_map(figure, w, i)),
                f"{title} (n = {count(releases)})",
            )
        )  # fmt: skip
        rows += _entropies(title, releases, names, part)
    return Section(
        "attention",
        "What the fusion attends to",
        (
            Prose(_fill_in_sentence(fusion)),
            Figure(
                tuple(pictures),
                "Attention maps: the row reads, the columns are read; a row sums to 1. Means over "
                f"releases and {plural(table['head'].nunique(), 'attention head')}, separately for each "
                "set of modalities that a release has. “Share” is the weight of the modality in the fused "
                "state. How sure: the means are exact for this model, but another model of equal quality "
                "may attend elsewhere; weights say where the model looks, not what makes an emotion.",
            ),
            grid(
                "Normalised entropy of attention by head: 0 looks at one modality only, 1 at all "
                "alike. Mean over releases; in brackets the standard deviation between releases.",
                (
                    "releases",
                    "modality",
                    "n",
                    *(f"head {head + 1}" for head in sorted(table["head"].unique())),
                    "share",
                ),
                rows,
                text=(1,),
            ),
            _held_out(fusion),
        ),
    )


def _patterns(table: pd.DataFrame) -> dict[tuple[str, tuple[str, ...]], pd.DataFrame]:
    """Rows by kind and by the modalities that the release has."""
    bits = table["query"].map({name: 1 << place for place, name in enumerate(MODALITIES)})
    first = table["head"] == table["head"].min()
    code = bits[first].groupby(table.loc[first, "release_id"]).sum()
    found = {}
    for (kind, value), part in table.groupby(["kind", table["release_id"].map(code)]):
        names = tuple(name for place, name in enumerate(MODALITIES) if int(value) >> place & 1)
        if len(names) > 1:
            found[str(kind), names] = part
    return found


def _entropies(
    title: str, releases: int, names: tuple[str, ...], part: pd.DataFrame
) -> list[tuple[str, ...]]:
    heads = part.groupby(["query", "head"])["entropy"].agg(["mean", "std"]).fillna(0)
    shares = part[part["head"] == part["head"].min()].groupby("query")["importance"].mean()
    return [
        (
            title, query, count(releases),
            *(f"{mean:.2f} ({sd:.2f})" for mean, sd in heads.loc[query].to_numpy(float)),
            f"{shares[query]:.2f}",
        )
        for query in names
    ]  # fmt: skip


def _fill_in_sentence(fusion: FusionSummary) -> str:
    lost = [task for task, score in fusion.held_out["test"].items() if score.gain <= 0]
    text = (
        "Sound, words and circumstances (genre, decade, debut, influences) of a release are fused into "
        f"one state of {fusion.width} numbers. Hiding one modality and filling it in from the others, the "
        f"fusion does better than principal components of the same width in {fusion.held_out_won} of "
        f"{plural(fusion.held_out_tasks, 'task')} on test years, clearly so (the interval excludes 0) in "
        f"{fusion.held_out_won_clearly}."
    )
    if lost:
        text += f" Principal components win at {joined(_task(name) for name in lost)}."
    plain = fusion.plain_won
    return (
        f"{text} Merely giving back what it was shown, it beats principal components in {plain} of "
        f"{fusion.plain_tasks}"
        + (
            ": as a plain compression, principal components are the better choice."
            if 2 * plain < fusion.plain_tasks
            else "."
        )
    )


def _task(name: str) -> str:
    kind, modality = name.split("_", 1)
    return f"{modality} of {KINDS.get(kind, kind)}"


def _held_out(fusion: FusionSummary) -> Grid:
    return grid(
        "Filling in a hidden modality on test years: error (RMSE, in standard deviations of the training "
        "period; smaller is better) of the fusion, of principal components of the same width, and of the "
        "plain mean. “Gain” is the components' error less the fusion's, with its 95% interval over "
        "artists.",
        ("hidden", "releases", "artists", "fusion", "components", "mean", "gain", "95% interval"),
        [
            (
                _task(name), count(score.releases), count(score.artists), f"{score.fusion.rmse:.3f}",
                f"{score.pca.rmse:.3f}", f"{score.mean.rmse:.3f}", signed(score.gain),
                interval(score.gain_low, score.gain_high),
            )
            for name, score in fusion.held_out["test"].items()
        ],
    )  # fmt: skip


def causality(
    edges: pd.DataFrame, granger: pd.DataFrame, metrics: CausalMetrics, params: ReportParams
) -> Section:
    """The graph with its confidence, and who helps to forecast whom."""
    ends = pd.concat([edges["source"], edges["target"]]).str.rsplit(" ", n=1).str[0]
    dimensions = list(dict.fromkeys(ends))
    graph = metrics.graph
    picture = svg(
        "causal-graph", (8.2, 4.6),
        f"Causal graph of {plural(len(edges), 'edge')}: "
        + "; ".join(f"{row.source} {_arrow(row.kind)} {row.target} ({share(row.confidence)})" for row in edges.itertuples()),
        lambda figure: draw.graph(figure, edges, dimensions, TIERS),
    )  # fmt: skip
    return Section(
        "causality",
        "What drives what",
        (
            Prose(_causal_sentence(metrics)),
            Figure(
                (Picture(picture),),
                "Causal graph found by the PC algorithm: “before” is the mean of all years before the "
                "last, “last” the last active year, “now” this year. An arrow reads “bears on, given "
                "everything else here”; lines without a head have no known direction. Blue, solid: more "
                f"goes with more; red, dashed: more goes with less. n = {count(graph.rows)} artist-years "
                f"of {count(graph.artists)} artists, year and genre taken out. How sure: the stronger the "
                "line, the more samples of artists drawn anew show the same arrow (on average "
                f"{share(graph.mean_confidence)}). Nothing here is an experiment: a hidden common cause "
                "would look the same.",
            ),
            _edge_table(edges),
            *_granger(granger, dimensions, params),
        ),
    )


def _arrow(kind: str) -> str:
    return {"directed": "→", "undirected": "—", "bidirected": "↔"}[kind]


def _causal_sentence(metrics: CausalMetrics) -> str:
    graph = metrics.graph
    text = (
        f"From an artist's past to its present the graph has {plural(graph.own_past, 'arrow')} from a "
        f"dimension to itself and {count(graph.cross_past)} to another dimension; {count(graph.now)} join "
        "dimensions of one year. "
    )
    tests = [
        f"{count(scope.significant)} of {count(scope.tests)} ({SCOPES.get(name, name)})"
        for name, scope in metrics.granger.items()
    ]
    text += f"Of the Granger tests, these stand after correction for their number: {joined(tests)}."
    real, placebo = (
        metrics.granger.get(name) for name in ("influencer->follower", "random artist->follower")
    )
    if real and placebo:
        text += (
            " So there is no evidence here that influencers' emotion helps to forecast their followers'."
            if real.significant == 0
            else " Compare the influencers with the placebo before believing in influence: it has "
            f"{count(placebo.significant)} against their {count(real.significant)}."
        )
    return text


def _edge_table(edges: pd.DataFrame) -> Grid:
    rows = [
        (
            f"{row.source} {_arrow(row.kind)} {row.target}", signed(row.partial_correlation, 2),
            share(row.confidence), share(row.adjacency),
        )
        for row in edges.sort_values(["confidence", "adjacency"], ascending=False, kind="stable").itertuples()
    ]  # fmt: skip
    return grid(
        "Edges of the graph, the surest first. Partial correlation given the other causes of the target; "
        "share of bootstrap graphs with the very edge, and with any edge between the two.",
        ("edge", "partial correlation", "same edge", "any edge"),
        rows,
    )


def _granger(granger: pd.DataFrame, dimensions: list[str], params: ReportParams) -> list[Figure | Grid]:
    titles = {
        "within-artist": "own last year",
        "influencer->follower": "influencers",
        "random artist->follower": "placebo: random artists",
    }
    titles = {scope: title for scope, title in titles.items() if (granger["scope"] == scope).any()}
    blocks: list[Figure | Grid] = []
    if titles:
        some = granger[granger["scope"].isin(titles)]
        largest = some.loc[some["coefficient"].abs().idxmax()]
        picture = svg(
            "granger", (8.2, 3.3),
            f"Coefficients of {count(len(some))} Granger tests; {count(some['significant'].sum())} stand. "
            f"The largest is {largest['coefficient']:.2f}, {largest['cause']} on {largest['effect']} "
            f"({largest['scope']}).",
            lambda figure: draw.granger_maps(figure, some, dimensions, titles),
        )  # fmt: skip
        sizes = joined(f"{count(some.loc[some['scope'] == s, 'n'].max())} ({t})" for s, t in titles.items())
        blocks.append(
            Figure(
                (Picture(picture),),
                "What the past of one dimension (column) adds to forecasting another (row), in standard "
                "deviations, when the artist's own last value is known. A star marks tests that stand "
                f"after correction for their number (false discovery rate). Rows at most: {sizes}. How "
                "sure: without a star, not.",
            )
        )
    first = granger.sort_values(["p_adjusted", "p_value"], kind="stable").head(params.tests_listed)
    rows = [
        (
            f"{row.cause} → {row.effect}", SCOPES.get(row.scope, row.scope), "—" if pd.isna(row.coefficient)
            else f"{signed(row.coefficient, 2)} (±{1.96 * row.std_error:.2f})", f"{row.f:.2f}", str(row.lags),
            f"{row.p_value:.3f}", f"{row.p_adjusted:.3f}", "yes" if row.significant else "no", count(row.n),
        )
        for row in first.itertuples()
    ]  # fmt: skip
    caption = (
        f"The {len(rows)} Granger tests of {len(granger)} with the smallest corrected p. p is corrected "
        "within each kind of test after Benjamini and Hochberg; the coefficient has its 95% interval. "
        "Tests on all music have several years at once and no single coefficient."
    )
    header = ("cause → effect", "kind", "coefficient", "F", "lags", "p", "p corrected", "stands", "n")
    return [*blocks, grid(caption, header, rows, text=(1,))]
