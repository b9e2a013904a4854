"""Section of the report on the data: what was read, set aside, joined and marked."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.ingest import IngestReport
from tasks.emotion.preprocess import PreprocessReport
from tasks.report.blocks import Prose, Section, count, grid, plural

JOINS = {
    ("rows", "artists"): "artists known to any table",
    ("rows", "careers"): "artist-years with audio",
    ("rows", "albums"): "albums with audio, lyrics or both",
    ("artists", "with_namesakes"): "artists who share their name with another",
    ("artists", "songs_under_a_namesake"): "artists whose songs stand under a namesake's number",
    ("artists", "without_name"): "artists without a name, known by number only",
    ("album_artists", "joined"): "album artists found in the artist table by name",
    ("album_artists", "joined_by_dates"): "... of them told apart from a namesake by their dates",
    ("album_artists", "ambiguous"): "album artists left out of the join as ambiguous",
    ("album_artists", "unknown"): "album artists that no other table knows",
    ("albums", "with_audio"): "albums with audio",
    ("albums", "with_lyrics"): "albums with lyrics",
    ("albums", "with_both"): "albums with both",
    ("albums", "lyrics_and_audio_by_name"): "albums whose lyrics and audio were joined by title",
    ("albums", "lyrics_and_audio_by_edition"): "... and by title without the words for an edition",
    ("flags", "thin_years"): "artist-years marked as resting on too few songs",
    ("flags", "careers_reissue"): "artist-years marked as possible reissues (after a long silence)",
    ("flags", "albums_reissue"): "albums whose date may be a reissue's",
    ("flags", "albums_collection"): "albums marked as collections (live, best-of, deluxe, box sets ...)",
}


def data(ingest: IngestReport, preprocess: PreprocessReport, quarantine: pd.DataFrame) -> Section:
    """Rows read, set aside, joined and marked."""
    total = ingest.all_tables
    parts = preprocess.model_dump()
    facts = [
        (text, count(parts[part][key])) for (part, key), text in JOINS.items() if key in parts.get(part, {})
    ]
    blocks = [
        Prose(
            f"{count(total.rows_read)} rows were read from {plural(len(ingest.tables), 'table')}; "
            f"{count(total.rows_kept)} kept to the rules and "
            f"{plural(total.rows_quarantined, 'row')} did not and "
            f"{'was' if total.rows_quarantined == 1 else 'were'} set aside. Nothing was dropped silently. "
            "Audio figures are Spotify's; lyric figures count words of the NRC emotion lexicon "
            "per hundred words. Both are instruments with a bias of their own, not the ear of a listener."
        ),
        grid(
            "Rows of each source table. Exact counts; no sampling.",
            ("table", "read", "kept", "set aside"),
            [
                (name, count(one.rows_read), count(one.rows_kept), count(one.rows_quarantined))
                for name, one in sorted(ingest.tables.items())
            ],
        ),
    ]
    if len(quarantine):
        blocks.append(
            grid(
                f"The rows set aside, and why ({count(min(len(quarantine), 10))} of "
                f"{count(len(quarantine))} shown; all stand in data/raw/quarantine.parquet).",
                ("table", "row", "column", "found", "reason"),
                [
                    (row.table, count(row.row), row.column, row.value[:60], row.reason)
                    for row in quarantine.head(10).itertuples()
                ],
                text=(2, 3, 4),
            )
        )
    blocks.append(
        grid(
            "What was joined, and what is marked as doubtful. Exact counts; the marks come from rules on "
            "names and dates and can be wrong in single cases.",
            ("what", "how many"),
            facts,
        )
    )
    return Section("data", "The data and its faults", tuple(blocks))
