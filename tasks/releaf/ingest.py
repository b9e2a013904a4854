"""Stage releaf-ingest: read the tables, the cards and further texts; set aside what is broken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Document, Table
from tasks.checked import CheckResult, Counts, Quarantine, add_counts, check_rows
from tasks.releaf.catalogue.cards import Texts, read_cards, read_city_texts, read_documents, unknown_facts
from tasks.releaf.contracts.raw import (
    FEATURES,
    TABLES,
    CardRows,
    PhotoRows,
    TrashnetFeatures,
    WasteCards,
    WasteEdges,
    WasteItems,
    WasteNodes,
)
from tasks.releaf.params import IngestParams
from tasks.sources import Cells, read_table

BLOCK = "releaf.ingest"
CARDS = "cards.yaml"


class IngestReport(Document):
    """What was read, kept and set aside; which further texts were read, or that they are off."""

    tables: dict[str, Counts]
    all_tables: Counts
    cards: int
    documents: int
    city_texts: int
    documents_from: str
    full_tier: str


class Ingest(NamedTuple):
    """The raw tables, the quarantine and the counts."""

    waste_items: Table[WasteItems]
    waste_nodes: Table[WasteNodes]
    waste_edges: Table[WasteEdges]
    trashnet_features: Table[TrashnetFeatures]
    waste_cards: Table[WasteCards]
    waste_quarantine: Table[Quarantine]
    ingest: IngestReport


def ingest(*, params: IngestParams) -> Ingest:
    """Read everything; a row or a card that breaks its contract goes to quarantine.

    This is the one stage of the pipeline that reads the outside. A card with a fact that the
    kept tables do not have is broken.

    Raises
    ------
    ContractError
        If a table or the cards are missing, are not what they say, or are mostly broken.
    """
    unknown = sorted(set(params.tables) - {*TABLES, "trashnet_features"})
    if unknown:
        raise ContractError(
            f"{BLOCK}.tables: there is no table '{unknown[0]}'; "
            f"the tables are {', '.join(TABLES)}, trashnet_features"
        )
    found = {"waste_items": read_rows("waste_items", params), "waste_nodes": read_rows("waste_nodes", params)}
    found["waste_edges"] = read_rows("waste_edges", params, set(found["waste_nodes"].kept["node_id"]))
    found["trashnet_features"] = read_photos(params)
    found["waste_cards"] = read_texts(params, found["waste_items"].kept, found["waste_edges"].kept)
    counts = {
        table: Counts(
            rows_read=rows.rows, rows_kept=len(rows.kept), rows_quarantined=rows.rows - len(rows.kept)
        )
        for table, rows in found.items()
    }
    kinds = found["waste_cards"].kept["kind"].value_counts()
    return Ingest(
        **{table: rows.kept for table, rows in found.items()},
        waste_quarantine=pd.concat([rows.faults for rows in found.values()], ignore_index=True),
        ingest=IngestReport(
            tables=counts,
            all_tables=add_counts(list(counts.values())),
            cards=int(kinds.get("card", 0)),
            documents=int(kinds.get("document", 0)),
            city_texts=int(kinds.get("city", 0)),
            documents_from=params.documents or "off: releaf.ingest.documents is null",
            full_tier=params.full or "off: releaf.ingest.full is null",
        ),
    )


def read_rows(table: str, params: IngestParams, nodes: set[str] | None = None) -> CheckResult:
    """Read and check one table; with `nodes`, an edge whose end is none of them is broken."""
    schema = TABLES[table].to_schema()
    source = read_table(
        params.source, params.tables.get(table, table), list(schema.columns), schema.unique, block=BLOCK
    )
    others = None
    if nodes is not None:
        others = _faults(
            (row, end, "is no node of waste_nodes")
            for end in ("src", "dst")
            for row, name in source.frame[end].items()
            if pd.notna(name) and str(name) not in nodes
        )
    return check_rows(source, table, TABLES[table], params.most_quarantined, others=others, block=BLOCK)


def read_photos(params: IngestParams) -> CheckResult:
    """Read and check the features of the photographs; only Parquet keeps a list in a cell."""
    table = "trashnet_features"
    names = [*PhotoRows.to_schema().columns, "features"]
    source = read_table(params.source, params.tables.get(table, table), names, ["picture"], block=BLOCK)
    if not source.typed:
        raise ContractError(f"{source.place}: expected a Parquet file, whose cells can hold the features")
    broken = source.frame["features"].map(_wrong_features)
    others = _faults((row, "features", reason) for row, reason in broken.items() if reason)
    found = check_rows(source, table, PhotoRows, params.most_quarantined, others=others, block=BLOCK)
    vectors = [np.asarray(source.frame.at[row, "features"], "float32") for row in found.origin]
    kept = found.kept.assign(features=pd.Series(vectors, dtype=object))
    return CheckResult(kept, found.faults, found.rows, found.origin)


def _wrong_features(value: object) -> str:
    vector = np.asarray(value if value is not None else [])
    if vector.shape != (FEATURES,) or vector.dtype.kind not in "fiu":
        return f"is not {FEATURES} numbers"
    return "" if np.isfinite(vector).all() else "has a value that is not finite"


def read_texts(params: IngestParams, items: pd.DataFrame, edges: pd.DataFrame) -> CheckResult:
    """Read and check the cards, then the user's documents and the cities' own texts, where named."""
    path = Path(params.source) / CARDS
    texts = read_cards(path)
    faults = [*texts.faults, *unknown_facts(texts.rows, items, edges)]
    parts = [texts.rows]
    if params.documents is not None:
        documents = read_documents(Path(params.documents))
        faults += [(len(texts.rows) + row, column, reason) for row, column, reason in documents.faults]
        parts.append(documents.rows)
    if params.full is not None:
        parts.append(read_city_texts(Path(params.full) / "waste"))
    texts = Texts(pd.concat(parts, ignore_index=True), faults)
    lists = ["aliases", "facts", "links"]
    # Missing parts of a card are among the faults already; those of other texts are as they should be.
    source = Cells(texts.rows, str(path), typed=True)
    found = check_rows(
        source, "waste_cards", CardRows, params.most_quarantined, others=_faults(faults), block=BLOCK
    )
    kept = found.kept.assign(**{name: texts.rows.loc[found.origin, name].to_numpy() for name in lists})
    return CheckResult(kept, _naming_cards(found.faults, texts.rows), found.rows, found.origin)


def _faults(found: Iterable[tuple[int, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(list(found), columns=["row", "column", "reason"])


def _naming_cards(faults: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Say in the quarantine which card it is: the number of a row says little of a YAML file."""
    names = rows["card_id"].fillna("(no id)")
    value = [str(names[row]) for row in faults["row"]]
    return faults.assign(value=pd.Series(value, index=faults.index, dtype="str"))
