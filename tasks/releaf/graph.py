"""Stage ``releaf-graph``: predict links of the item graph, and recommend by them.

    nodes, links -> split 85/5/10 -> encoder -> z ; P(link) = sigmoid(z_i . z_j)
                                                |-> scores by relation, with baselines
                                                '-> recommendations, each with its path in words

The model is scored on held-out links against four kinds of negative pairs. Random pairs alone would be too
easy: most have types that never link, so the type distinguishes them. The recommendations use the same
weights, with messages over all links.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Progress, Shapes, Table, Tensors
from tasks.releaf.contracts.tables import Links, Nodes
from tasks.releaf.links.inputs import EASY, SAME_TYPE, Graph, negatives_of, node_features, read_graph
from tasks.releaf.links.reasons import Recommendations, recommendations
from tasks.releaf.links.tables import ALL, LinkScoresTable, baseline_scorer, dot_scorer, score_table
from tasks.releaf.params import GraphParams
from tasks.training import checkpoint

if TYPE_CHECKING:
    from methods.graph.encoders import Encoder
    from methods.graph.links import Negatives
    from methods.graph.training import Recipe, TrainingResult
    from methods.training import Checkpoint


CHECKPOINT_EVERY = 10
"""Epochs of about a second between two checkpoints."""


class NodeScores(pa.DataFrameModel):
    """One row a node: neighbours and centralities in the graph of all links."""

    node: Series[str] = pa.Field(unique=True)
    node_type: Series[str]
    name: Series[str]
    neighbours: Series[int] = pa.Field(ge=0)
    degree: Series[float] = pa.Field(ge=0, le=1)
    pagerank: Series[float] = pa.Field(ge=0, le=1)
    betweenness: Series[float] = pa.Field(ge=0, le=1)


class History(pa.DataFrameModel):
    """One row an epoch of the chosen encoder.

    A loss, in nats, is the sum of the mean losses of links and of negative pairs.
    """

    epoch: Series[int] = pa.Field(ge=1, unique=True)
    learning_rate: Series[float] = pa.Field(ge=0)
    train_loss: Series[float]
    validation_loss: Series[float]


class GraphSize(Document):
    """Numbers of nodes and links.

    The `predicted` links are split into train, validation and test; `context` links pass messages only.
    """

    nodes: int
    predicted: int
    context: int
    train: int
    validation: int
    test: int
    components: int
    largest_component: int


class NegativesScores(Document):
    """Test scores of encoder and best baseline for one kind of negatives."""

    auc: float
    ap: float
    hits_at_10: float | None
    best_baseline: str
    best_baseline_ap: float
    beats: bool


class TypeHomophily(Document):
    """Share of links within a type, observed and with shuffled types."""

    observed: float
    shuffled: float
    p_value: float


class GraphMetrics(Document):
    """Training, size and test scores of the model.

    `validation_ap` is the mean over the kinds of negatives; settings are chosen by it.
    """

    encoder: str
    parameters: int
    best_epoch: int
    epochs: int
    validation_ap: float
    size: GraphSize
    test: dict[str, NegativesScores]
    encoders_ap: dict[str, dict[str, float]]
    homophily: TypeHomophily
    recommended: int
    with_path: float
    mean_steps: float


class GraphOutputs(NamedTuple):
    """Scores, recommendations, centralities, weights, summary and history."""

    link_scores: Table[LinkScoresTable]
    recommendations: Table[Recommendations]
    node_scores: Table[NodeScores]
    graph_model: Annotated[Tensors, Shapes({"embeddings": ("nodes", "width")}, more=True)]
    graph: GraphMetrics
    graph_history: Table[History]


def graph(
    nodes: Table[Nodes], links: Table[Links], *, params: GraphParams, progress: Progress
) -> GraphOutputs:
    """Train the encoders, score them on held-out links, and recommend new links."""
    nodes, network = read_graph(nodes, links, params)
    x = node_features(nodes, network, params)
    trained = {
        name: fit(name, x, network, params, checkpoint(progress, name, CHECKPOINT_EVERY))
        for name in (params.encoder, *params.compared)
    }
    learnt = dot_scorer({name: run.embeddings for name, run in trained.items()})
    given = baseline_scorer(network)
    validation, test = (
        score_table(network, part, negatives_of(network, part, seed), learnt, given)
        for part, seed in ((network.split.validation, params.seed + 1), (network.split.test, params.seed + 2))
    )
    chosen = trained[params.encoder]
    z = embed_all(chosen, x, network, params)
    new_links = recommendations(nodes, links, network, z, params)
    history = pd.DataFrame(chosen.history).astype({"epoch": int}).round(6)
    return GraphOutputs(
        test,
        new_links,
        node_scores(nodes, network, params),
        {"embeddings": z} | {name: value.numpy() for name, value in chosen.weights.items()},
        metrics(network, chosen, validation, test, new_links, params),
        history,
    )


def recipe(params: GraphParams) -> Recipe:
    """Return the training recipe according to the params."""
    from methods.graph.training import Recipe

    names = set(Recipe.__dataclass_fields__)
    return Recipe(**{name: value for name, value in params.model_dump().items() if name in names})


def new_encoder(name: str, nodes: int, given: int, params: GraphParams) -> Encoder:
    """Return an untrained encoder."""
    from methods.graph.encoders import Encoder, InputLayer

    inputs = InputLayer(nodes, given, params.width, learnt="learnt" in params.features)
    widths = (params.width, *params.layers)
    return Encoder(name, inputs, widths, dropout=params.dropout, heads=params.heads)


def fit(
    name: str, x: np.ndarray, network: Graph, params: GraphParams, saved: Checkpoint | None = None
) -> TrainingResult:
    """Train one encoder; validation links against training-like negatives stop it."""
    from tqdm import tqdm

    from methods.graph.training import train_links

    return train_links(
        partial(new_encoder, name, network.nodes, x.shape[1], params),
        x,
        network.links[:, network.split.train],
        (network.links[:, network.split.validation], _stopping_pairs(network, params)),
        recipe(params),
        types=network.types,
        context=network.context,
        track=partial(tqdm, desc=name, mininterval=1),
        checkpoint=saved,
    )  # fmt: skip


def _stopping_pairs(network: Graph, params: GraphParams) -> np.ndarray:
    pairs: dict[str, Negatives] = negatives_of(network, network.split.validation, params.seed)
    easy, hard = pairs[EASY].pairs, pairs[SAME_TYPE].pairs
    if params.negatives == "both":
        return np.concatenate([easy, hard], axis=1)
    return easy if params.negatives == "uniform" else hard


def embed_all(trained: TrainingResult, x: np.ndarray, network: Graph, params: GraphParams) -> np.ndarray:
    """Return embeddings with messages over all links, including held-out ones."""
    from methods.graph.training import as_tensor, autoencoder, embed_nodes

    model = autoencoder(new_encoder(params.encoder, network.nodes, x.shape[1], params))
    model.load_state_dict(trained.weights)
    return embed_nodes(model, as_tensor(x), network.known(), recipe(params))


def node_scores(nodes: pd.DataFrame, network: Graph, params: GraphParams) -> pd.DataFrame:
    """Return the centralities of all nodes."""
    from methods.graph.structure import centralities

    scores = centralities(network.known(), network.nodes, pivots=params.pivots, seed=params.seed)
    floats = {name: getattr(scores, name).round(8) for name in ("degree", "pagerank", "betweenness")}
    return nodes[["node", "node_type", "name"]].assign(neighbours=scores.neighbours, **floats)


def metrics(
    network: Graph,
    trained: TrainingResult,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    new_links: pd.DataFrame,
    params: GraphParams,
) -> GraphMetrics:
    """Return the summary of training, test scores and recommendations."""
    from methods.graph.structure import edge_homophily

    whole, tried = test[test["relation"] == ALL], validation[validation["relation"] == ALL]
    alike = edge_homophily(network.links, network.types, shuffles=params.shuffles, seed=params.seed)
    learnt = whole[whole["learnt"]]
    return GraphMetrics(
        encoder=params.encoder,
        parameters=sum(value.numel() for value in trained.weights.values()),
        best_epoch=trained.best_epoch,
        epochs=len(trained.history),
        validation_ap=round(float(tried.loc[tried["model"] == params.encoder, "ap"].mean()), 6),
        size=_size(network),
        test={kind: _against(part, params.encoder) for kind, part in whole.groupby("negatives", sort=False)},
        encoders_ap={
            model: part.set_index("negatives")["ap"].to_dict() for model, part in learnt.groupby("model")
        },
        homophily=TypeHomophily(
            observed=round(alike.observed, 6), shuffled=round(alike.shuffled, 6), p_value=alike.p_value
        ),
        recommended=len(new_links),
        with_path=round(float((new_links["steps"] > 0).mean()), 6),
        mean_steps=round(float(new_links.loc[new_links["steps"] > 0, "steps"].mean()), 6)
        if new_links["steps"].any()
        else 0.0,
    )


def _against(part: pd.DataFrame, encoder: str) -> NegativesScores:
    mine = part[part["model"] == encoder].iloc[0]
    best: Any = part[~part["learnt"]].sort_values("ap", ascending=False, kind="stable").iloc[0]
    return NegativesScores(
        auc=mine["auc"],
        ap=mine["ap"],
        hits_at_10=None if np.isnan(mine["hits_at_10"]) else mine["hits_at_10"],
        best_baseline=best["model"],
        best_baseline_ap=best["ap"],
        beats=bool(mine["ap"] > best["ap"]),
    )


def _size(network: Graph) -> GraphSize:
    from scipy.sparse.csgraph import connected_components

    from methods.graph.links import adjacency

    number, component = connected_components(adjacency(network.known(), network.nodes), directed=False)
    return GraphSize(
        nodes=network.nodes,
        predicted=network.links.shape[1],
        context=network.context.shape[1],
        train=len(network.split.train),
        validation=len(network.split.validation),
        test=len(network.split.test),
        components=int(number),
        largest_component=int(np.bincount(component).max()),
    )
