"""Stage emotion-network: networks of influence as exponential random graphs.

*Risk set.* A tie leads from an artist to one that it influenced, and an artist can influence only those who
began in its own decade or later. So a dyad i -> j is at risk if i began no later than j. The few ties that
run against time (wrong dates, long careers) are fixed and not modelled.

*Networks.* The tables hold pairs of artists with five songs or more; this stage uses those with a career in
sound. In the network of all artists the only term in which ties depend on each other is reciprocity, so
that the estimate is exact. Within a genre, a term for closed triples is added (if x influenced y and y
influenced z, did x influence z?), and the estimate needs simulation. Where it does not converge, the
metrics hold the reason.

*Between decades.* A tie between two artists occurs once, in the follower's decade, and cannot persist. A tie
between genres can: genre g influences genre h in a decade if enough pairs lead from artists of g to
newcomers of h. These networks use all pairs, with or without a career in sound.

*Comparison.* Within a genre, the model with closed triples is compared with the model without them, by AIC
and BIC. The likelihood of the first is known up to the error of a simulation (bridge sampling). Between
decades, three models are compared: ties with the same causes whether they form or persist, the same with
reciprocity, and the separable model, in which forming and persisting have their own coefficients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts.tables import Artists, Careers, Influence
from tasks.emotion.networks.comparison import (
    SEPARABLE,
    Candidate,
    is_closure,
    over_time,
    with_and_without_triples,
)
from tasks.emotion.params import NetworkParams

if TYPE_CHECKING:
    import networkx as nx

    from methods.ergm import Distribution, ErgmFit
    from methods.ergm.terms import Term

ALL, DECADES = "all genres", "between decades"


class NetworkTerms(pa.DataFrameModel):
    """One row per model and term.

    A coefficient is the change of the log odds of a tie by one unit more of the term; it is -inf if the
    statistic has its smallest possible value.
    """

    model: Series[str]
    term: Series[str]
    statistic: Series[float]
    coef: Series[float]
    std_error: Series[float] = pa.Field(ge=0)
    p_value: Series[float] = pa.Field(ge=0, le=1)


class NetworkFit(pa.DataFrameModel):
    """One row per model, feature and value: observed count and simulated 95 % range.

    `value` is a degree, a number of shared partners or a distance (infinite: no path). Values that were not
    observed and whose range begins at zero are left out: such a count cannot lie outside.
    """

    model: Series[str]
    feature: Series[str]
    value: Series[float] = pa.Field(ge=0)
    observed: Series[float] = pa.Field(ge=0)
    low: Series[float] = pa.Field(ge=0)
    high: Series[float] = pa.Field(ge=0)
    p_value: Series[float] = pa.Field(ge=0, le=1)


class FeatureMetrics(Document):
    """Fit of a model to one feature of the network to which it was not fitted.

    `covered` is the share of the `values` (rows of NetworkFit) inside the range of 95 % of the simulated
    networks. `p_value` tests the whole distribution by its largest deviation.
    """

    values: int
    covered: float
    p_value: float


class ModelMetrics(Document):
    """One model; `held` counts the fixed ties outside the risk set.

    `reason` says why the model has no estimate (`features` is then empty); it is empty otherwise.
    `effective_size` is 0 for an exact estimate.
    """

    nodes: int
    ties: int
    dyads: int
    held: int
    exact: bool
    reason: str
    effective_size: int
    features: dict[str, FeatureMetrics]


class NetworkMetrics(Document):
    """All models; `left_out` counts artists of pairs without a career or decade.

    `comparisons` has the candidate models of each network.
    """

    left_out: int
    models: dict[str, ModelMetrics]
    comparisons: dict[str, dict[str, Candidate]]


class NetworkOutputs(NamedTuple):
    """Outputs of the stage."""

    network_terms: Table[NetworkTerms]
    network_fit: Table[NetworkFit]
    network: NetworkMetrics


class NetworkModel(NamedTuple):
    """A model with its estimate, or the reason for its absence."""

    name: str
    graph: nx.Graph
    free: np.ndarray | None
    fitted: ErgmFit | None
    reason: str


def network(
    influence: Table[Influence], artists: Table[Artists], careers: Table[Careers], *, params: NetworkParams
) -> NetworkOutputs:
    """Fit the networks of all genres, within genres, and between decades."""
    pairs, people, left_out = known_pairs(influence, artists, careers)
    within = {genre: _inside(genre, pairs, people, params) for genre in params.genres}
    models = [_artists(ALL, pairs, people, ["mutual", ("nodematch", "genre")], params)]
    models += [
        _artists(genre, part, people, [("gwesp", params.decay)], params) for genre, part in within.items()
    ]
    graphs = genre_networks(influence, artists.set_index("artist_id"), params)
    between = _decades(graphs, params)
    separable = over_time(graphs, between, params)
    models.append(NetworkModel(DECADES, between.graph, between.free, between, ""))
    fits = {model.name: _goodness(model, params) for model in models}
    comparisons = {
        model.name: with_and_without_triples(model.fitted, params)
        for model in models
        if model.fitted and any(is_closure(term) for term in model.fitted.terms)
    }
    comparisons[DECADES] = separable.candidates
    return NetworkOutputs(
        pd.concat(
            [
                *(_term_rows(model.name, model.fitted) for model in models),
                _term_rows(f"{DECADES}, {SEPARABLE}", separable.separable),
            ],
            ignore_index=True,
        ),
        pd.concat([_fit_rows(name, features) for name, features in fits.items()], ignore_index=True),
        NetworkMetrics(
            left_out=left_out,
            models={model.name: _metrics(model, fits[model.name]) for model in models},
            comparisons=comparisons,
        ),
    )


def known_pairs(
    influence: pd.DataFrame, artists: pd.DataFrame, careers: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return pairs of artists with career and decade, and these artists.

    The third value is the number of other artists in the pairs.
    """
    weighted = careers[["energy_mean", "valence_mean"]].mul(careers["n_songs"], axis=0)
    sums = weighted.assign(n_songs=careers["n_songs"]).groupby(careers["artist_id"]).sum()
    mood = sums[["energy_mean", "valence_mean"]].div(sums["n_songs"], axis=0)
    people = artists[~artists["ambiguous"]].set_index("artist_id").join(mood, how="inner")
    people = people.dropna(subset=["active_start", "energy_mean", "valence_mean"]).sort_index()
    in_pairs = pd.unique(influence[["influencer_id", "follower_id"]].to_numpy().ravel())
    known = influence["influencer_id"].isin(people.index) & influence["follower_id"].isin(people.index)
    pairs = influence[known].reset_index(drop=True)
    return pairs, people, int((~np.isin(in_pairs, people.index)).sum())


def _inside(genre: str, pairs: pd.DataFrame, people: pd.DataFrame, params: NetworkParams) -> pd.DataFrame:
    """Return the pairs of which both artists belong to the genre."""
    ids = people.index[people["genre"] == genre]
    part = pairs[pairs["influencer_id"].isin(ids) & pairs["follower_id"].isin(ids)]
    artists = len(np.unique(part[["influencer_id", "follower_id"]].to_numpy()))
    if artists < params.min_artists:
        raise ValueError(
            f"emotion-network: influence.parquet names {artists} artists with a career in '{genre}'; "
            f"expected at least {params.min_artists}. Remove the genre from emotion.network.genres."
        )
    return part


def _artists(
    name: str, pairs: pd.DataFrame, people: pd.DataFrame, more: list[Term], params: NetworkParams
) -> NetworkModel:
    import networkx as nx

    ids = np.unique(pairs[["influencer_id", "follower_id"]].to_numpy())
    graph: nx.DiGraph[int] = nx.DiGraph()
    # Followers and influences outside this network explain hubs, so that the ties inside need not.
    sent, got = pairs["influencer_id"].value_counts(), pairs["follower_id"].value_counts()
    for key, row in people.loc[ids].iterrows():
        graph.add_node(
            int(key), genre=row["genre"], decade=row["active_start"] / 10, energy=row["energy_mean"],
            valence=row["valence_mean"], reach=np.log1p(max(0, row["influences"] - sent.get(key, 0))),
            names=np.log1p(max(0, row["influenced_by"] - got.get(key, 0))),
        )  # fmt: skip
    graph.add_edges_from(zip(pairs["influencer_id"].tolist(), pairs["follower_id"].tolist(), strict=True))
    began = np.array([data["decade"] for _, data in graph.nodes(data=True)])
    shared: list[Term] = [("absdiff", "decade"), ("absdiff", "energy"), ("absdiff", "valence")]
    terms: list[Term] = ["edges", *shared, ("nodeocov", "reach"), ("nodeicov", "names"), *more]
    return _fitted(name, graph, began[:, None] <= began[None, :], terms, params)


def _fitted(
    name: str, graph: nx.Graph, free: np.ndarray, terms: list[Term], params: NetworkParams
) -> NetworkModel:
    from methods.ergm import DegenerateModelError, fit

    try:
        fitted = fit(
            graph,
            terms,
            seed=params.seed,
            free=free,
            effective=params.effective,
            most_steps=params.most_steps,
        )
    except DegenerateModelError as error:
        return NetworkModel(name, graph, free, None, str(error))
    if not fitted.converged:
        return NetworkModel(name, graph, free, None, fitted.reason)
    return NetworkModel(name, graph, free, fitted, "")


def genre_networks(pairs: pd.DataFrame, people: pd.DataFrame, params: NetworkParams) -> list[nx.DiGraph]:
    """Build one network of genres a decade.

    It has the tie g -> h if enough newcomers of genre h name artists of genre g.
    """
    import networkx as nx

    rows = pd.DataFrame(
        {
            "source": people["genre"].reindex(pairs["influencer_id"]).to_numpy(),
            "target": people["genre"].reindex(pairs["follower_id"]).to_numpy(),
            "decade": people["active_start"].reindex(pairs["follower_id"]).to_numpy(),
        }
    )
    named = np.unique(pairs[["influencer_id", "follower_id"]].to_numpy())
    size = people.loc[people.index.isin(named), "genre"].value_counts()
    genres = sorted(size[size >= params.min_artists].index)
    graphs = []
    for _, part in rows[rows["source"].isin(genres) & rows["target"].isin(genres)].groupby("decade"):
        counts = part.groupby(["source", "target"]).size()
        graph: nx.DiGraph[str] = nx.DiGraph()
        newcomers = part["target"].value_counts()
        for genre in genres:
            graph.add_node(genre, size=np.log(size[genre]), named=np.log1p(newcomers.get(genre, 0)))
        graph.add_edges_from((g, h) for (g, h), n in counts.items() if g != h and n >= params.min_pairs)
        graphs.append(graph)
    return graphs


def _decades(graphs: list[nx.DiGraph], params: NetworkParams) -> ErgmFit:
    from methods.ergm import fit_temporal

    # With the term edges, the coefficient of stability is the advantage of a persistent tie over a new one.
    terms: list[Term] = ["edges", "stability", "mutual", ("nodeocov", "size"), ("nodeicov", "named")]
    return fit_temporal(graphs, terms, seed=params.seed)


def _goodness(model: NetworkModel, params: NetworkParams) -> dict[str, Distribution]:
    from methods.ergm import goodness_of_fit

    if model.fitted is None:
        return {}
    return goodness_of_fit(model.fitted, draws=params.draws, seed=params.seed).features


def _fit_rows(name: str, features: dict[str, Distribution]) -> pd.DataFrame:
    columns = list(NetworkFit.to_schema().columns)
    tables = [pd.DataFrame({c: pd.Series(dtype="str" if c in columns[:2] else "float") for c in columns})]
    for feature, counts in features.items():
        low, high = counts.interval()
        values = {"value": counts.values, "observed": counts.observed, "low": low, "high": high}
        rows = pd.DataFrame({"model": name, "feature": feature} | values | {"p_value": counts.p_value})
        tables.append(rows[counts.informative()])
    return pd.concat(tables, ignore_index=True)


def _term_rows(name: str, fitted: ErgmFit | None) -> pd.DataFrame:
    if fitted is None:
        return pd.DataFrame(columns=["model", "term", "statistic", "coef", "std_error", "p_value"])
    return pd.DataFrame(
        {
            "model": name,
            "term": fitted.names,
            "statistic": np.round(fitted.statistics, 6),
            "coef": np.round(fitted.coef, 6),
            "std_error": np.round(fitted.std_error, 6),
            "p_value": fitted.p_value,
        }
    )


def _metrics(model: NetworkModel, features: dict[str, Distribution]) -> ModelMetrics:
    nodes = list(model.graph.nodes)
    position = {node: k for k, node in enumerate(nodes)}
    free = np.ones((len(nodes), len(nodes)), bool) if model.free is None else model.free
    held = sum(not free[position[a], position[b]] for a, b in model.graph.edges)
    fitted = model.fitted
    diagnostics = fitted.mcmc_diagnostics if fitted else None
    return ModelMetrics(
        nodes=len(nodes),
        ties=model.graph.number_of_edges(),
        dyads=int(free.sum() - np.trace(free)),
        held=held,
        exact=bool(fitted and fitted.exact),
        reason=model.reason,
        effective_size=int(diagnostics.effective_size.min()) if diagnostics else 0,
        features={
            name: FeatureMetrics(
                values=int(counts.informative().sum()),
                covered=round(counts.covered(), 4),
                p_value=round(counts.overall_p_value, 4),
            )
            for name, counts in features.items()
        },
    )
