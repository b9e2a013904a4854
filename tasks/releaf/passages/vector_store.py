"""Qdrant as a store of the passages' vectors, in the process or on a server.

The store is a cache: `fill` makes it equal to ``data/releaf/vectors.parquet`` and writes only differences.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from statewright.contracts import ContractError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

COLLECTION = "releaf-passages"


def open_store(address: str | None, *, timeout_s: int = 10) -> QdrantClient:
    """Open a store in this process, or the server at `address`.

    Raises
    ------
    ContractError
        If the server does not answer.
    """
    from qdrant_client import QdrantClient

    if address is None:
        return QdrantClient(":memory:")
    client = QdrantClient(url=address, timeout=timeout_s, check_compatibility=False)
    try:
        client.get_collections()
    except Exception as error:  # httpx, gRPC and Qdrant each raise their own
        raise ContractError(
            f"releaf.retrieve.qdrant: Qdrant does not answer at {address} ({type(error).__name__}); "
            "start it, or set null to use a store in the process"
        ) from error
    return client


def fill(client: QdrantClient, vectors: pd.DataFrame, *, collection: str = COLLECTION) -> int:
    """Make the collection equal to `vectors` (`Vectors`).

    Returns
    -------
    int
        Number of points written: new ones, and those with another key.
    """
    from qdrant_client import models

    width = len(vectors["vector"].iloc[0])
    if client.collection_exists(collection) and _width(client, collection) != width:
        client.delete_collection(collection)
    if not client.collection_exists(collection):
        settings = models.VectorParams(size=width, distance=models.Distance.COSINE)
        client.create_collection(collection, vectors_config=settings)
    stored = _keys(client, collection)
    points = {_point(row["passage_id"]): row for row in vectors.to_dict("records")}
    if gone := sorted(set(stored) - set(points)):
        client.delete(collection, points_selector=models.PointIdsList(points=list(gone)))
    new = {point: row for point, row in points.items() if stored.get(point) != row["key"]}
    if new:
        batch = models.Batch(
            ids=list(new),
            vectors=[np.asarray(row["vector"], dtype=float).tolist() for row in new.values()],
            payloads=[{name: row[name] for name in ("passage_id", "key")} for row in new.values()],
        )
        client.upsert(collection, points=batch, wait=True)
    return len(new)


def nearest(
    client: QdrantClient, queries: np.ndarray, limit: int, *, collection: str = COLLECTION
) -> list[list[tuple[str, float]]]:
    """Return the `limit` nearest passages of each query with their cosines."""
    from qdrant_client import models

    requests = [
        models.QueryRequest(query=row.tolist(), limit=limit, with_payload=["passage_id"]) for row in queries
    ]
    responses = client.query_batch_points(collection, requests=requests)
    return [
        [((point.payload or {})["passage_id"], float(point.score)) for point in answer.points]
        for answer in responses
    ]


def _point(passage_id: str) -> str:
    """Return the UUID of a passage, because Qdrant accepts UUIDs as ids."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"passage:{passage_id}"))


def _width(client: QdrantClient, collection: str) -> int:
    settings: Any = client.get_collection(collection).config.params.vectors
    return int(settings.size)


def _keys(client: QdrantClient, collection: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    offset: Any = None
    while True:
        points, offset = client.scroll(collection, limit=1000, offset=offset, with_payload=["key"])
        keys |= {str(point.id): str((point.payload or {}).get("key")) for point in points}
        if offset is None:
            return keys
