"""Stage ``releaf-streams``: train a model of each city's list.

The model predicts the stream of a name that is not on the list. It is trained on the names of the training
split, and the regularisation is chosen on dev. The test names are scored once, with two baselines: the
stream of the most similar name on the list, and the city's most common stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import ContractError, Document, Table
from tasks.releaf.contracts.tables import Items, StreamArrays
from tasks.releaf.params import IndexParams, StreamsParams

if TYPE_CHECKING:
    from releaf.stream_model import StreamModel


class Names(pa.DataFrameModel):
    """One row a name on a list, with its unit vector."""

    name: Series[str] = pa.Field(unique=True)
    vector: Series[object]


class StreamScore(Document):
    """Share of right streams in a split, of the model and of two baselines."""

    names: int
    model: float
    nearest_name: float
    commonest_stream: float


class StreamsSummary(Document):
    """Streams of each city in the order of the weights, the strength and the scores."""

    streams: dict[str, list[str]]
    dev_by_strength: dict[str, float]
    strength: float
    dev: StreamScore
    test: StreamScore
    test_by_city: dict[str, StreamScore]


class StreamsOutputs(NamedTuple):
    """The vectors of the names, the models, and the summary."""

    names: Table[Names]
    stream_model: StreamArrays
    streams: StreamsSummary


def streams(items: Table[Items], *, params: StreamsParams, index: IndexParams) -> StreamsOutputs:
    """Encode the names, train a model for each city, and score it.

    Raises
    ------
    ContractError
        If the encoder is missing, or a city's training names have fewer than two streams.
    """
    from methods.retrieval.dense import load_encoder
    from releaf.stream_model import to_arrays

    listed = sorted(items["name"].unique())
    try:
        vectors = load_encoder(index.model, batch=params.batch)(listed)
    except ValueError as error:
        raise ContractError(f"releaf.index.model: {error}") from error
    vector_of = dict(zip(listed, vectors, strict=True))
    parts = {split: items[items["split"] == split] for split in ("train", "dev", "test")}
    tried = {strength: _fit(parts["train"], vector_of, strength) for strength in params.strengths}
    by_strength = {
        strength: float(_right(models, parts["dev"], vector_of).mean()) for strength, models in tried.items()
    }
    best = max(by_strength, key=lambda strength: by_strength[strength])
    models = tried[best]
    names = pd.DataFrame({"name": listed, "vector": [row.astype(np.float32) for row in vectors]})
    test = parts["test"]
    summary = StreamsSummary(
        streams={city: list(model.streams) for city, model in models.items()},
        dev_by_strength={f"{strength:g}": round(value, 6) for strength, value in by_strength.items()},
        strength=best,
        dev=_score(models, parts["train"], parts["dev"], vector_of),
        test=_score(models, parts["train"], test, vector_of),
        test_by_city={
            str(city): _score(models, parts["train"], rows, vector_of) for city, rows in test.groupby("city")
        },
    )
    return StreamsOutputs(names, to_arrays(models), summary)


def _fit(train: pd.DataFrame, vector_of: dict[str, np.ndarray], strength: float) -> dict[str, StreamModel]:
    from releaf.stream_model import fit_streams

    models = {}
    for city, rows in train.groupby("city", sort=True):
        names = rows["name"].tolist()
        try:
            models[str(city)] = fit_streams(
                names, _stack(names, vector_of), rows["stream"].tolist(), strength=strength
            )
        except ValueError as error:
            raise ContractError(f"data/releaf/items.parquet, city {city}, split train: {error}") from error
    return models


def _score(
    models: dict[str, StreamModel], train: pd.DataFrame, items: pd.DataFrame, vector_of: dict[str, np.ndarray]
) -> StreamScore:
    questions = _questions(items)
    return StreamScore(
        names=len(questions),
        model=round(float(_right(models, items, vector_of).mean()), 6),
        nearest_name=round(float(np.mean(_nearest(train, questions, vector_of))), 6),
        commonest_stream=round(float(np.mean(_commonest(train, questions))), 6),
    )


def _questions(items: pd.DataFrame) -> pd.DataFrame:
    return items.groupby(["city", "name"], sort=True)["stream"].agg(set).reset_index()


def _right(
    models: dict[str, StreamModel], items: pd.DataFrame, vector_of: dict[str, np.ndarray]
) -> np.ndarray:
    from releaf.stream_model import predict_streams

    right: list[bool] = []
    for city, rows in _questions(items).groupby("city", sort=True):
        names, model = rows["name"].tolist(), models[str(city)]
        best = predict_streams(model, names, _stack(names, vector_of)).argmax(axis=1)
        right += [model.streams[k] in streams for k, streams in zip(best, rows["stream"], strict=True)]
    return np.array(right, dtype=np.float64)


def _nearest(train: pd.DataFrame, questions: pd.DataFrame, vector_of: dict[str, np.ndarray]) -> list[bool]:
    hits: list[bool] = []
    for city, rows in questions.groupby("city", sort=True):
        known = train[train["city"] == city]
        near = _stack(rows["name"], vector_of) @ _stack(known["name"], vector_of).T
        streams = known["stream"].to_numpy()[near.argmax(axis=1)]
        hits += [stream in right for stream, right in zip(streams, rows["stream"], strict=True)]
    return hits


def _commonest(train: pd.DataFrame, questions: pd.DataFrame) -> list[bool]:
    common = train.groupby("city")["stream"].agg(lambda streams: streams.value_counts().index[0])
    return [common[city] in right for city, right in zip(questions["city"], questions["stream"], strict=True)]


def _stack(names: pd.Series | list[str], vector_of: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([vector_of[name] for name in names])
