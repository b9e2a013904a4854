"""Stage emotion-network: who influences whom, as exponential random graphs.

*Risk set.* A tie runs from an artist to one that it influenced, and an artist can influence only those who
began in its own decade or later. So a dyad i -> j is at risk where i began no later than j; the few ties
that run against time (wrong dates, long careers) are kept as they are and explained by nothing.

*Which network.* The tables hold pairs of artists with five songs or more, and here of those with a career in
sound. Of all of them the model has no term in which ties depend on each other but reciprocity, so that its
estimate is exact. Within a genre, a term for closed triples is added (if x influenced y and y influenced z,
did x influence z?), whose estimate takes simulation; where that does not converge, the reason is kept.

*Between decades.* A tie between two artists happens once, in the follower's decade, so nothing of it
can last. Between genres it can: genre g influences genre h in a decade if enough pairs lead from artists
of g to newcomers of h. These networks take all pairs, with or without a career in sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts.tables import Artists, Careers, Influence
from tasks.emotion.params import NetworkParams

if TYPE_CHECKING:
    import networkx as nx

    from methods.ergm import ErgmFit

ALL, DECADES = "all genres", "between decades"


class NetworkTerms(pa.DataFrameModel):
    """One row a model and term; a coefficient is the change of a tie's log odds by one unit more.

    -inf: the statistic is at its least possible value.
    """

    model: Series[str]
    term: Series[str]
    statistic: Series[float]
    coef: Series[float]
    std_error: Series[float] = pa.Field(ge=0)
    p_value: Series[float] = pa.Field(ge=0, le=1)


class NetworkFit(pa.DataFrameModel):
    """One row a model, feature and value: counts observed, and the middle 95 % of simulated networks.

    `value` is a degree, a number of shared partners or a distance (infinite: no path).
    """

    model: Series[str]
    feature: Series[str]
    value: Series[float] = pa.Field(ge=0)
    observed: Series[float] = pa.Field(ge=0)
    low: Series[float] = pa.Field(ge=0)
    high: Series[float] = pa.Field(ge=0)
    p_value: Series[float] = pa.Field(ge=0, le=1)


class ModelMetrics(Document):
    """One model; `held` are ties outside the risk set.

    `covered` is the share of the features' counts within the band of simulated ones. `reason` is empty, or
    why the model has no estimate, and then `covered` is 0. `effective_size` is 0 where the estimate is exact.
    """

    nodes: int
    ties: int
    dyads: int
    held: int
    exact: bool
    reason: str
    effective_size: int
    covered: float


class NetworkMetrics(Document):
    """`left_out`: artists of the influence pairs without a career in sound or a decade."""

    left_out: int
    models: dict[str, ModelMetrics]


class NetworkOutputs(NamedTuple):
    network_terms: Table[NetworkTerms]
    network_fit: Table[NetworkFit]
    network: NetworkMetrics


class NetworkModel(NamedTuple):
    """A model with its estimate, or the reason why it has none."""

    name: str
    graph: nx.DiGraph
    free: np.ndarray
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
    models.append(_decades(influence, artists.set_index("artist_id"), params))
    fits = [_goodness(model, params) for model in models]
    return NetworkOutputs(
        pd.concat([_term_rows(model) for model in models], ignore_index=True),
        pd.concat(fits, ignore_index=True),
        NetworkMetrics(
            left_out=left_out,
            models={m.name: _metrics(m, rows) for m, rows in zip(models, fits, strict=True)},
        ),
    )


def known_pairs(
    influence: pd.DataFrame, artists: pd.DataFrame, careers: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Pairs of artists with a career and a decade; these artists; how many others the pairs name."""
    weighted = careers[["energy_mean", "valence_mean"]].mul(careers["n_songs"], axis=0)
    sums = weighted.assign(n_songs=careers["n_songs"]).groupby(careers["artist_id"]).sum()
    mood = sums[["energy_mean", "valence_mean"]].div(sums["n_songs"], axis=0)
    people = artists[~artists["ambiguous"]].set_index("artist_id").join(mood, how="inner")
    people = people.dropna(subset=["active_start", "energy_mean", "valence_mean"]).sort_index()
    named = pd.unique(influence[["influencer_id", "follower_id"]].to_numpy().ravel())
    known = influence["influencer_id"].isin(people.index) & influence["follower_id"].isin(people.index)
    pairs = influence[known].reset_index(drop=True)
    return pairs, people, int((~np.isin(named, people.index)).sum())


def _inside(genre: str, pairs: pd.DataFrame, people: pd.DataFrame, params: NetworkParams) -> pd.DataFrame:
    """Pairs of which both artists are of the genre."""
    ids = people.index[people["genre"] == genre]
    part = pairs[pairs["influencer_id"].isin(ids) & pairs["follower_id"].isin(ids)]
    found = len(np.unique(part[["influencer_id", "follower_id"]].to_numpy()))
    if found < params.min_artists:
        raise ValueError(
            f"emotion-network: influence.parquet names {found} artists with a career in '{genre}'; "
            f"expected at least {params.min_artists}. Take the genre out of emotion.network.genres."
        )
    return part


def _artists(
    name: str, pairs: pd.DataFrame, people: pd.DataFrame, more: list, params: NetworkParams
) -> NetworkModel:
    import networkx as nx

    ids = np.unique(pairs[["influencer_id", "follower_id"]].to_numpy())
    graph = nx.DiGraph()
    # How far an artist's name reaches, and how many it names, outside this network: hubs have reasons
    # that the ties inside need not explain.
    sent, got = pairs["influencer_id"].value_counts(), pairs["follower_id"].value_counts()
    for key, row in people.loc[ids].iterrows():
        graph.add_node(
            int(key), genre=row["genre"], decade=row["active_start"] / 10, energy=row["energy_mean"],
            valence=row["valence_mean"], reach=np.log1p(max(0, row["influences"] - sent.get(key, 0))),
            names=np.log1p(max(0, row["influenced_by"] - got.get(key, 0))),
        )  # fmt: skip
    graph.add_edges_from(zip(pairs["influencer_id"].tolist(), pairs["follower_id"].tolist(), strict=True))
    began = np.array([data["decade"] for _, data in graph.nodes(data=True)])
    shared = [("absdiff", "decade"), ("absdiff", "energy"), ("absdiff", "valence")]
    terms = ["edges", *shared, ("nodeocov", "reach"), ("nodeicov", "names"), *more]
    return _fitted(name, graph, began[:, None] <= began[None, :], terms, params)


def _fitted(
    name: str, graph: nx.DiGraph, free: np.ndarray, terms: list, params: NetworkParams
) -> NetworkModel:
    from methods.ergm import DegenerateModelError, fit

    try:
        found = fit(
            graph,
            terms,
            seed=params.seed,
            free=free,
            effective=params.effective,
            most_steps=params.most_steps,
        )
    except DegenerateModelError as error:
        return NetworkModel(name, graph, free, None, str(error))
    return NetworkModel(name, graph, free, found, "")


def genre_networks(pairs: pd.DataFrame, people: pd.DataFrame, params: NetworkParams) -> list[nx.DiGraph]:
    """One network a decade: genre g -> genre h if newcomers of h name artists of g often enough."""
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
        graph = nx.DiGraph()
        newcomers = part["target"].value_counts()
        for genre in genres:
            graph.add_node(genre, size=np.log(size[genre]), named=np.log1p(newcomers.get(genre, 0)))
        graph.add_edges_from((g, h) for (g, h), n in counts.items() if g != h and n >= params.min_pairs)
        graphs.append(graph)
    return graphs


def _decades(pairs: pd.DataFrame, people: pd.DataFrame, params: NetworkParams) -> NetworkModel:
    from methods.ergm import fit_temporal

    graphs = genre_networks(pairs, people, params)
    # With edges, the coefficient of stability is a lasting tie's advantage over a new one.
    terms = ["edges", "stability", "mutual", ("nodeocov", "size"), ("nodeicov", "named")]
    found = fit_temporal(graphs, terms, seed=params.seed)
    return NetworkModel(DECADES, found.graph, found.free, found, "")


def _goodness(model: NetworkModel, params: NetworkParams) -> pd.DataFrame:
    from methods.ergm import goodness_of_fit

    columns = list(NetworkFit.to_schema().columns)
    if model.fitted is None:
        return pd.DataFrame({c: pd.Series(dtype="str" if c in columns[:2] else "float") for c in columns})
    found = goodness_of_fit(model.fitted, draws=params.draws, seed=params.seed)
    features = found.degree | {"distance": found.distance, "shared partners": found.shared_partners}
    tables = []
    for feature, one in features.items():
        low, high = one.interval()
        values = {"value": one.values, "observed": one.observed, "low": low, "high": high}
        tables.append(
            pd.DataFrame({"model": model.name, "feature": feature} | values | {"p_value": one.p_value})
        )
    return pd.concat(tables, ignore_index=True)


def _term_rows(model: NetworkModel) -> pd.DataFrame:
    found = model.fitted
    if found is None:
        return pd.DataFrame(columns=["model", "term", "statistic", "coef", "std_error", "p_value"])
    return pd.DataFrame(
        {
            "model": model.name,
            "term": found.names,
            "statistic": np.round(found.statistics, 6),
            "coef": np.round(found.coef, 6),
            "std_error": np.round(found.std_error, 6),
            "p_value": found.p_value,
        }
    )


def _metrics(model: NetworkModel, rows: pd.DataFrame) -> ModelMetrics:
    nodes = list(model.graph.nodes)
    position = {node: k for k, node in enumerate(nodes)}
    held = sum(not model.free[position[a], position[b]] for a, b in model.graph.edges)
    found = model.fitted
    diagnostics = found.mcmc_diagnostics if found else None
    within = rows["observed"].between(rows["low"], rows["high"]).mean() if len(rows) else 0.0
    return ModelMetrics(
        nodes=len(nodes),
        ties=model.graph.number_of_edges(),
        dyads=int(model.free.sum() - np.trace(model.free)),
        held=held,
        exact=bool(found and found.exact),
        reason=model.reason,
        effective_size=int(diagnostics.effective_size.min()) if diagnostics else 0,
        covered=round(float(within), 4),
    )
