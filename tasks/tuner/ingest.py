"""Stage tuner-ingest: read the tables of the specifications, check every row."""

from __future__ import annotations

import pandas as pd

from tasks.checked import Counts, check_rows
from tasks.sources import read_table
from tasks.tuner.contracts.tables import Artists, Careers, IngestMetrics, IngestOutputs
from tasks.tuner.params import IngestParams

BLOCK = "tuner.ingest"
TABLES = {"career_audio": Careers, "artists": Artists}


def ingest(*, params: IngestParams) -> IngestOutputs:
    """Read careers and artists; quarantine the rows that break their contract.

    Raises
    ------
    ContractError
        If a table is missing, has the wrong form, or has too many invalid rows.
    """
    checked = []
    for name, model in TABLES.items():
        schema = model.to_schema()
        cells = read_table(params.source, name, list(schema.columns), list(schema.unique), block=BLOCK)
        checked.append(check_rows(cells, name, model, params.most_quarantined, block=BLOCK))
    counts = {
        name: Counts(
            rows_read=table.rows, rows_kept=len(table.kept), rows_quarantined=table.rows - len(table.kept)
        )
        for name, table in zip(TABLES, checked, strict=True)
    }
    quarantine = pd.concat([table.faults for table in checked], ignore_index=True)
    reasons = quarantine["table"].str.cat([quarantine["column"], quarantine["reason"]], sep=" ")
    metrics = IngestMetrics(
        tables=counts,
        reasons={str(reason): int(number) for reason, number in reasons.value_counts().sort_index().items()},
    )
    careers, artists = (table.kept for table in checked)
    return IngestOutputs(careers, artists, quarantine, metrics)
