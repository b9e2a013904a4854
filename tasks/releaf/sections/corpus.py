"""Section on the data: source tables, cards, item names and passages."""

from __future__ import annotations

import pandas as pd

from tasks.releaf.contracts.report import IngestResults
from tasks.releaf.ingest import IngestReport
from tasks.releaf.preprocess import PreprocessReport
from tasks.report.blocks import Block, Cell, Prose, Section, count, grid, plural, share

SHOWN = 10


def finding(ingest: IngestReport, preprocess: PreprocessReport) -> str:
    """Return the coverage of the cards and the number of broken rows."""
    broken = ingest.all_tables.rows_quarantined
    return (
        f"Data: {count(ingest.cards)} cards cover {share(preprocess.items_cited / preprocess.items)} of the "
        f"{count(preprocess.items)} entries on the cities' lists; of {count(ingest.all_tables.rows_read)} "
        f"source rows, {count(broken) if broken else 'none'} broke a rule."
    )


def section(results: IngestResults, preprocess: PreprocessReport) -> Section:
    """Return the counts of source tables, prepared data and streams."""
    ingest = results.ingest
    total = ingest.all_tables
    blocks: list[Block] = [
        Prose(
            f"The pipeline read {count(total.rows_read)} rows from {plural(len(ingest.tables), 'table')} and "
            f"kept {count(total.rows_kept)}. The cards were written for this project, and every fact on them "
            "is checked against the cities' own lists. The lists are as published, in the cities' words."
        ),
        grid(
            "Rows of each source table (complete counts, no sampling).",
            ("table", "read", "kept", "quarantined"),
            [
                (name, count(counts.rows_read), count(counts.rows_kept), count(counts.rows_quarantined))
                for name, counts in sorted(ingest.tables.items())
            ],
        ),
        grid(
            "Prepared data. All names of one item are in the same split, so no test name occurs in training.",
            ("data", "number"),
            _counts(preprocess),
        ),
        *_quarantine(results.waste_quarantine),
        _streams(preprocess),
        Prose(
            f"Limits: {count(preprocess.split['test'] - preprocess.test_items_cited)} of "
            f"{count(preprocess.split['test'])} test entries are on no card. Further documents: "
            f"{ingest.documents_from}. The cities' own pages: {ingest.full_tier}."
        ),
    ]
    return Section(
        "corpus",
        "The data",
        tuple(blocks),
        "Source tables, broken rows, and the items and bins of each city.",
    )


def _counts(preprocess: PreprocessReport) -> list[tuple[str, str]]:
    left_out = preprocess.photos_left_out
    return [
        ("item names, by city and stream", count(preprocess.items)),
        ("… duplicates with another spelling, dropped", count(preprocess.items_repeated)),
        ("… in a city that gives more than one stream", count(preprocess.items_of_two_streams)),
        ("… that are a fact of a card", count(preprocess.items_cited)),
        *((f"… in the {name} split", count(number)) for name, number in preprocess.split.items()),
        ("cards", count(preprocess.cards)),
        ("passages of the cards", count(preprocess.passages)),
        ("nodes of the item graph", count(preprocess.nodes)),
        ("links of the item graph", count(preprocess.links)),
        ("photos", count(preprocess.photos)),
        ("… left out as copies of a held-out photo", count(len(left_out.twin_of_held_out))),
        ("… left out because they have two labels", count(len(left_out.two_labels))),
    ]


def _quarantine(quarantine: pd.DataFrame) -> list[Block]:
    if quarantine.empty:
        return []
    shown = quarantine.head(SHOWN)
    return [
        grid(
            f"Quarantined rows with the reason ({count(len(shown))} of {count(len(quarantine))}; "
            "data/raw/waste_quarantine.parquet holds all).",
            ("table", "row", "column", "value", "reason"),
            [
                (row.table, count(row.row), row.column, row.value[:60], row.reason)
                for row in shown.itertuples()
            ],
            text=(2, 3, 4),
        )
    ]


def _streams(preprocess: PreprocessReport) -> Block:
    by_city: dict[str, dict[str, int]] = {}
    for key, number in preprocess.streams.items():
        city, stream = key.split(": ", 1)
        by_city.setdefault(city, {})[stream] = number
    rows: list[tuple[str | Cell, ...]] = [
        (city, count(sum(streams.values())), count(len(streams)), _commonest(streams))
        for city, streams in by_city.items()
    ]
    return grid(
        "Item names by city. If most names of a city share one stream, a constant guess is often right.",
        ("city", "names", "streams", "most common stream"),
        rows,
        text=(3,),
    )


def _commonest(streams: dict[str, int]) -> str:
    name = max(streams, key=lambda stream: streams[stream])
    return f"{name} ({share(streams[name] / sum(streams.values()))})"
