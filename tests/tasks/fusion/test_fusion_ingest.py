"""Ingest: two tables as CSV, Parquet and SQL, and tables with faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from shipped import shipped_params
from tumours import configured, patients

from tasks.fusion.ingest import ingest
from tasks.fusion.params import IngestParams

SOURCE = Path(__file__).parents[3] / "data" / "source"


def test_the_shipped_digits_become_six_modalities() -> None:
    made = ingest(params=shipped_params(IngestParams, "fusion.ingest", source=str(SOURCE)))
    widths = {name: len(modality.columns) for name, modality in made.schema.modalities.items()}
    assert widths == {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}
    source = pd.read_parquet(SOURCE / "digit_views.parquet")
    assert made.records["target"].tolist() == source["label"].astype(str).tolist()
    np.testing.assert_array_equal(made.records["mor.x_mor.4"], [row[4] for row in source["x_mor"]])
    assert made.quarantine.empty


def test_two_csv_files_are_joined_by_their_key(tables: Path) -> None:
    made = ingest(params=configured(tables))
    frame = patients()
    assert made.records["key"].tolist() == frame["patient"].tolist()
    assert made.records["target"].tolist() == frame["diagnosis"].tolist()
    for column in (column for column in made.records if column.startswith("worst.")):
        np.testing.assert_array_equal(made.records[column], frame[column.removeprefix("worst.")])
    assert made.ingest.complete_records == made.ingest.records == 569
