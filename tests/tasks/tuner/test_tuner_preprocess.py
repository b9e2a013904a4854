"""The stage emotion-preprocess as a specification gives the same tables.

Expressible are the tables `careers`, `years` and `influence`. The unification of artists and albums folds
names (accents, articles, editions) and is not: the language has no such function.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from program_worker import Worker

from tasks.emotion.params import PreprocessParams
from tasks.emotion.preprocess import flag_careers, stack_years
from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.generate import emit
from tasks.tuner.generator.plan import resolve
from tasks.tuner.generator.spec import Spec

ROOT = Path(__file__).parents[3]
RAW = ROOT / "data" / "raw"
PARAMS = PreprocessParams(thin_below=3, reissue_gap=2, career_gap=10, most_songs=45)
KINDS = {"int64": "integer", "float64": "float", "bool": "boolean", "str": "string"}
CONFIGURATIONS = (Configuration("pandas"), Configuration("polars"), Configuration("duckdb"))


def columns(frame: pd.DataFrame) -> dict[str, str]:
    return {name: KINDS[str(dtype)] for name, dtype in frame.dtypes.items()}


def careers(frame: pd.DataFrame) -> dict[str, Any]:
    """Flag thin years, and years after a long silence."""
    # The latest earlier year of an artist comes from a join with the table itself.
    before = [
        {"select": ["artist_id", "year"]},
        {"join": {"table": "earlier", "on": {"artist_id": "artist"}}},
        {"filter": "before < year"},
        {"group": {"by": ["artist_id", "year"], "aggregates": {"last": "max(before)"}}},
    ]
    flags = {
        "thin": f"n_songs < {PARAMS.thin_below}",
        "reissue": f"coalesce(year - last >= {PARAMS.career_gap}, False)",
    }
    return {
        "name": "careers",
        "sources": {"audio": {"path": "career_audio.parquet", "columns": columns(frame)}},
        "tables": {
            "earlier": {
                "from": "audio",
                "steps": [
                    {"rename": {"artist_id": "artist", "year": "before"}},
                    {"select": ["artist", "before"]},
                ],
            },
            "previous": {"from": "audio", "steps": before},
            "careers": {
                "from": "audio",
                "steps": [
                    {"join": {"table": "previous", "kind": "left", "on": ["artist_id", "year"]}},
                    {"derive": flags},
                    {"sort": ["artist_id", "year"]},
                    {"select": [*columns(frame), "thin", "reissue"]},
                ],
            },
        },
        "sink": {"table": "careers"},
    }


def years(music: pd.DataFrame, charts: pd.DataFrame) -> dict[str, Any]:
    """Append the years of the charts; a column that one table lacks is null."""
    counts = {"n_songs": "integer", "n_songs_lyrics": "integer"}
    kinds = {**columns(music), **counts}
    both = {
        **kinds,
        **{name: kind for name, kind in columns(charts).items() if name != "n_songs_audio"},
        **counts,
    }
    measured = [name for name in both if name not in ("year", *counts)]
    ordered = ["source", "year", *counts, "thin", *measured]

    def side(known: dict[str, str], source: str) -> list[dict[str, Any]]:
        empty = {"float": "0.0", "integer": "0"}
        absent = {
            name: f"null_if({empty[kind]}, {empty[kind]})" for name, kind in both.items() if name not in known
        }
        filled = {name: f"coalesce({name}, 0)" for name in counts}
        return [
            *([{"derive": absent}] if absent else []),
            {"derive": {**filled, "source": f"'{source}'"}},
            {"select": [name for name in ordered if name != "thin"]},
        ]

    renamed = {**columns(charts), "n_songs_audio": "integer"}
    known = {("n_songs" if name == "n_songs_audio" else name): kind for name, kind in renamed.items()}
    thin = f"n_songs < {PARAMS.thin_below} and n_songs_lyrics < {PARAMS.thin_below}"
    return {
        "name": "years",
        "sources": {
            "music": {"path": "music_years.parquet", "columns": columns(music)},
            "charts": {"path": "chart_years.parquet", "columns": renamed},
        },
        "tables": {
            "of_charts": {
                "from": "charts",
                "steps": [{"rename": {"n_songs_audio": "n_songs"}}, *side(known, "charts")],
            },
            "of_music": {"from": "music", "steps": side(columns(music), "music")},
            "years": {
                "from": "of_music",
                "steps": [
                    {"union": ["of_charts"]},
                    {"derive": {"thin": thin}},
                    {"sort": ["source", "year"]},
                    {"select": ordered},
                ],
            },
        },
        "sink": {"table": "years"},
    }


def influence(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "name": "influence",
        "sources": {"raw": {"path": "influence.parquet", "columns": columns(frame)}},
        "tables": {"sorted": {"from": "raw", "steps": [{"sort": ["influencer_id", "follower_id"]}]}},
        "sink": {"table": "sorted"},
    }


@pytest.fixture(scope="module")
def expected() -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Return specification and reference frame of each table."""
    names = ("career_audio", "music_years", "chart_years", "influence")
    if not all((RAW / f"{name}.parquet").exists() for name in names):
        pytest.skip("data/raw has no tables; write them with: statewright run emotion-ingest")
    raw = {name: pd.read_parquet(RAW / f"{name}.parquet") for name in names}
    pairs = raw["influence"].sort_values(["influencer_id", "follower_id"], ignore_index=True)
    return {
        "careers": (
            careers(raw["career_audio"]),
            flag_careers(raw["career_audio"], PARAMS.thin_below, PARAMS.career_gap),
        ),
        "years": (
            years(raw["music_years"], raw["chart_years"]),
            stack_years(raw["music_years"], raw["chart_years"], PARAMS.thin_below),
        ),
        "influence": (influence(raw["influence"]), pairs),
    }


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: c.engine)
@pytest.mark.parametrize("table", ["careers", "years", "influence"])
def test_tables_equal_those_of_the_stage(
    worker: Worker,
    expected: dict[str, tuple[dict[str, Any], pd.DataFrame]],
    table: str,
    choice: Configuration,
) -> None:
    """Compare rows in their order, and values exactly: floats are copied."""
    spec, wanted = expected[table]
    program = emit(resolve(Spec.model_validate(spec)), choice).text()
    out = worker.folder / f"{table}.parquet"
    assert worker.run(program, RAW, out) == "done", program
    found = pq.read_table(out).to_pandas()
    pd.testing.assert_frame_equal(found[list(wanted)], wanted, check_exact=True)
    assert sorted(found.columns) == sorted(wanted.columns)
