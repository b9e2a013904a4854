"""Section of the report on what goes in: rows read and set aside, cards, names of things, passages."""

from __future__ import annotations

import pandas as pd

from tasks.releaf.ingest import IngestReport
from tasks.releaf.preprocess import PreprocessReport
from tasks.report.blocks import Block, Prose, Section, count, grid, plural, share

SHOWN = 10


def verdict(ingest: IngestReport, made: PreprocessReport) -> str:
    """The corpus in a sentence."""
    broken = ingest.all_tables.rows_quarantined
    return (
        f"{count(ingest.cards)} cards speak of {share(made.items_cited / made.items)} of the "
        f"{count(made.items)} names on the cities' lists; of {count(ingest.all_tables.rows_read)} rows "
        f"{count(broken) if broken else 'none'} broke a rule and stayed out."
    )


def corpus(ingest: IngestReport, made: PreprocessReport, quarantine: pd.DataFrame) -> Section:
    """Rows of each table, what was mended, the streams of each city."""
    total = ingest.all_tables
    blocks: list[Block] = [
        Prose(
            f"{count(total.rows_read)} rows were read from {plural(len(ingest.tables), 'table')} and "
            f"{count(total.rows_kept)} kept. The cards were written for this collection and every fact on "
            "them is checked against the cities' own lists; the lists are as published, in the cities' words."
        ),
        grid(
            "Rows of each source table. Exact counts; no sampling.",
            ("table", "read", "kept", "set aside"),
            [
                (name, count(one.rows_read), count(one.rows_kept), count(one.rows_quarantined))
                for name, one in sorted(ingest.tables.items())
            ],
        ),
        grid(
            "What became of them. All names of one thing are in one split, so that no test name was seen.",
            ("what", "how many"),
            _facts(made),
        ),
        *_set_aside(quarantine),
        _streams(made),
        Prose(
            f"Where it ends: of {count(made.split['test'])} test names no card speaks of "
            f"{count(made.split['test'] - made.test_items_cited)}; further documents: "
            f"{ingest.documents_from}; the cities' own pages: {ingest.full_tier}."
        ),
    ]
    return Section("corpus", "What goes in", tuple(blocks))


def _facts(made: PreprocessReport) -> list[tuple[str, str]]:
    left_out = made.photos_left_out
    return [
        ("names of things, by city and stream", count(made.items)),
        ("… repeated under another spelling, and dropped", count(made.items_repeated)),
        ("… of a city with more than one right stream", count(made.items_of_two_streams)),
        ("… that a card rests on", count(made.items_cited)),
        *((f"… in the split {name}", count(number)) for name, number in made.split.items()),
        ("cards", count(made.cards)),
        ("passages made of them", count(made.passages)),
        ("nodes of the graph of things", count(made.nodes)),
        ("links of it", count(made.links)),
        ("photographs", count(made.photos)),
        ("… left out, being the twin of a held-out one", count(len(left_out.twin_of_held_out))),
        ("… left out, being there under two labels", count(len(left_out.two_labels))),
    ]


def _set_aside(quarantine: pd.DataFrame) -> list[Block]:
    if quarantine.empty:
        return []
    shown = quarantine.head(SHOWN)
    return [
        grid(
            f"The rows set aside, and why ({count(len(shown))} of {count(len(quarantine))} shown; all stand "
            "in data/raw/waste_quarantine.parquet).",
            ("table", "row", "column", "found", "reason"),
            [
                (row.table, count(row.row), row.column, row.value[:60], row.reason)
                for row in shown.itertuples()
            ],
            text=(2, 3, 4),
        )
    ]


def _streams(made: PreprocessReport) -> Block:
    pairs = [(*key.split(": ", 1), number) for key, number in made.streams.items()]
    cities = list(dict.fromkeys(city for city, _, _ in pairs))
    return grid(
        "Names by city and stream: a city that throws most things into one bin is easily guessed.",
        ("city", "names", "streams", "its commonest"),
        [
            (city, count(sum(own.values())), count(len(own)), _commonest(own))
            for city in cities
            for own in [{stream: number for c, stream, number in pairs if c == city}]
        ],
        text=(3,),
    )


def _commonest(own: dict[str, int]) -> str:
    name = max(own, key=lambda stream: own[stream])
    return f"{name} ({share(own[name] / sum(own.values()))})"
