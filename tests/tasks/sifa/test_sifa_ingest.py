"""Rows of the sets that break their contract."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from statewright.contracts import ContractError
from tasks.sifa.contracts.tables import IngestOutputs
from tasks.sifa.ingest import ingest
from tasks.sifa.params import IngestParams

SOURCE = Path(__file__).resolve().parents[3] / "data" / "source"


def test_the_shipped_tables_have_their_published_sizes(ingested: IngestOutputs) -> None:
    counts = {name: table.rows_kept for name, table in ingested.sets.tables.items()}
    assert counts == {"digits": 1797, "signals": 5000, "molecules": 7101, "solubility": 1128}
    assert ingested.quarantine.empty


def copy(folder: Path) -> dict[str, pd.DataFrame]:
    frames = {
        name: pd.read_parquet(SOURCE / f"{name}.parquet") for name in ("signals", "molecules", "solubility")
    }
    frames = {name: frame.head(200).copy() for name, frame in frames.items()}
    folder.mkdir()
    return frames


def write(frames: dict[str, pd.DataFrame], folder: Path) -> IngestParams:
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    return IngestParams(source=str(folder), most_quarantined=0.2)


def test_invalid_rows_are_quarantined_with_their_reason(tmp_path: Path) -> None:
    frames = copy(tmp_path / "source")
    frames["signals"].at[3, "points"] = [0.0] * 39
    frames["signals"].at[4, "label"] = 10
    frames["molecules"].at[5, "xyz"] = [float("nan")] * len(frames["molecules"].at[5, "xyz"])
    frames["molecules"].at[6, "name"] = frames["molecules"].at[7, "name"]
    result = ingest(params=write(frames, tmp_path / "source"))
    faults = {(row["table"], row["row"]): row["reason"] for row in result.quarantine.to_dict("records")}
    assert faults == {
        ("signals", 3): "has 39 numbers, expected 40",
        ("signals", 4): "is above 9",
        ("molecules", 5): "has a number that is not finite",
        ("molecules", 7): "repeats the key of row 6",
    }
    assert result.sets.tables["signals"].rows_kept == 198
    assert 5 not in result.signals.index[result.signals["row"].isin([3, 4])]


def test_a_table_of_invalid_rows_is_refused(tmp_path: Path) -> None:
    frames = copy(tmp_path / "source")
    frames["signals"]["label"] = 11
    with pytest.raises(
        ContractError, match=r"signals.*100%.*'label' is above 9.*sifa.ingest.most_quarantined"
    ):
        ingest(params=write(frames, tmp_path / "source"))
