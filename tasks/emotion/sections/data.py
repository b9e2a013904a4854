"""Section of the report on the data: rows read, quarantined, joined and flagged."""

from __future__ import annotations

from tasks.emotion.contracts.report import IngestResults
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.report.blocks import Block, Prose, Section, count, grid, plural

LISTED = 10
"""Quarantined rows that the page lists."""

JOINS = {
    ("rows", "artists"): "artists in any table",
    ("rows", "careers"): "artist-years with audio",
    ("rows", "albums"): "albums with audio, lyrics or both",
    ("artists", "with_namesakes"): "artists who share their name with another artist",
    ("artists", "songs_under_a_namesake"): "artists whose songs are filed under the number of a namesake",
    ("artists", "without_name"): "artists without a name, identified by number only",
    ("album_artists", "joined"): "album artists matched to the artist table by name",
    ("album_artists", "joined_by_dates"): "... of them distinguished from a namesake by their dates",
    ("album_artists", "ambiguous"): "album artists not matched because the name is ambiguous",
    ("album_artists", "unknown"): "album artists that no other table has",
    ("albums", "with_audio"): "albums with audio",
    ("albums", "with_lyrics"): "albums with lyrics",
    ("albums", "with_both"): "albums with both",
    ("albums", "lyrics_and_audio_by_name"): "albums whose lyrics and audio were joined by title",
    ("albums", "lyrics_and_audio_by_edition"): "... by title without the words for an edition",
    ("flags", "thin_years"): "artist-years flagged for too few songs",
    ("flags", "careers_reissue"): "artist-years flagged as possible reissues (after a long silence)",
    ("flags", "albums_reissue"): "albums whose date may be that of a reissue",
    ("flags", "albums_collection"): "albums flagged as collections (live, best-of, deluxe, box sets ...)",
}


def finding(ingest: IngestResults) -> list[str]:
    """Return the sentence on the rows that were read and quarantined."""
    total = ingest.ingest.all_tables
    broken = count(total.rows_quarantined) if total.rows_quarantined else "none"
    return [
        f"Of {count(total.rows_read)} rows in {plural(len(ingest.ingest.tables), 'table')}, {broken} broke a "
        "rule. Rows that break a rule are quarantined."
    ]


def section(ingest: IngestResults, preprocess: PreprocessOutputs) -> Section:
    """Return the section: counts of the source tables, of the joins and of the flags."""
    report, quarantine = ingest.ingest, ingest.quarantine
    total = report.all_tables
    parts = preprocess.preprocess.model_dump()
    blocks: list[Block] = [
        Prose(
            f"The pipeline read {count(total.rows_read)} rows from {plural(len(report.tables), 'table')}: "
            f"{count(total.rows_kept)} satisfied the rules and {plural(total.rows_quarantined, 'row')} "
            f"{'was' if total.rows_quarantined == 1 else 'were'} quarantined. No row is dropped without a "
            "record. Audio figures are Spotify's; lyric figures count words of the NRC emotion lexicon per "
            "hundred words. Both have biases, and neither is the judgement of a listener."
        ),
        grid(
            "Rows of each source table. Exact counts; no sampling.",
            ("table", "read", "kept", "quarantined"),
            [
                (name, count(counts.rows_read), count(counts.rows_kept), count(counts.rows_quarantined))
                for name, counts in sorted(report.tables.items())
            ],
        ),
    ]
    if len(quarantine):
        blocks.append(
            grid(
                f"Quarantined rows and the reasons ({count(min(len(quarantine), LISTED))} of "
                f"{count(len(quarantine))} listed; data/raw/quarantine.parquet has all).",
                ("table", "row", "column", "value", "reason"),
                [
                    (row.table, count(row.row), row.column, row.value[:60], row.reason)
                    for row in quarantine.head(LISTED).itertuples()
                ],
                text=(2, 3, 4),
            )
        )
    blocks.append(
        grid(
            "Joins and flags. Exact counts; the flags come from rules on names and dates and can be wrong in "
            "single cases.",
            ("item", "number"),
            [
                (text, count(parts[part][key]))
                for (part, key), text in JOINS.items()
                if key in parts.get(part, {})
            ],
        )
    )
    return Section("data", "Data and data quality", tuple(blocks))
