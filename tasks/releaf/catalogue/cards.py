"""Read source texts: cards (YAML), a user's documents, and the cities' pages.

An incomplete card is not corrected: its faults are returned with it, and the stage quarantines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from statewright.contracts import ContractError

PARTS = ("what", "where", "prepare", "reuse")
KEYS = ("id", "title", "aliases", *PARTS, "facts")
CITY_TEXTS = {
    "toronto_waste_wizard": ("entry_id", "title", "body_text"),
    "king_county_materials": ("item_id", "material", "description"),
    "nagai_items": ("item_id", "name", "instructions"),
    "sault_ste_marie_items": ("item_key", "item_name", "long_description"),
}
"""Columns of key, title and text by table of ``waste/``."""

MOST_BYTES = 2_000_000  # limit of one document
COLUMNS = ["card_id", "kind", "title", *PARTS, "aliases", "facts", "links"]


class Fault(NamedTuple):
    """A fault of a text: its row, the column and the reason."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True)
class Texts:
    """Texts as rows, and their faults.

    Attributes
    ----------
    rows : pandas.DataFrame
        Columns `COLUMNS`; a value of the wrong type is empty and has a fault.
    faults : list of Fault
    """

    rows: pd.DataFrame
    faults: list[Fault]


def read_cards(path: Path) -> Texts:
    """Read the YAML list of cards.

    Raises
    ------
    ContractError
        If the file is missing, is not valid YAML, or is not a list.
    """
    import yaml

    if not path.is_file():
        raise ContractError(f"{path} not found, expected a list of cards; add the file")
    try:
        cards = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = " ".join(str(error).split())
        raise ContractError(f"{path} is not valid YAML ({message}); fix the line") from error
    if not isinstance(cards, list) or not cards:
        found = "nothing" if not cards else type(cards).__name__
        raise ContractError(
            f"{path}: found {found}, expected a list of cards (each begins with '- id:'); fix the file"
        )
    rows, faults = [], []
    for number, card in enumerate(cards):
        row, reasons = _card(card)
        rows.append(row)
        faults += [Fault(number, column, reason) for column, reason in reasons]
    return Texts(pd.DataFrame(rows, columns=COLUMNS), faults)


def _card(card: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    if not isinstance(card, dict):
        return _empty(), [("card_id", f"is {type(card).__name__}, expected a card with keys")]
    faults = [("card_id", f"has the unknown key '{key}'") for key in card if key not in KEYS]
    row = _empty()
    for key in ("id", "title", *PARTS):
        column = "card_id" if key == "id" else key
        value = card.get(key)
        if value is None:
            faults.append((column, "is missing where a value is required"))
        elif not isinstance(value, str) or not value.strip():
            faults.append((column, "is blank" if isinstance(value, str) else "is not text"))
        else:
            row[column] = " ".join(value.split())
    aliases = card.get("aliases", [])
    if isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases):
        row["aliases"] = aliases
    else:
        faults.append(("aliases", "is not a list of texts"))
    return row, faults + _facts(card.get("facts"), row)


def _empty() -> dict[str, Any]:
    return dict.fromkeys(COLUMNS) | {"kind": "card", "aliases": [], "facts": [], "links": []}


def _facts(facts: Any, row: dict[str, Any]) -> list[tuple[str, str]]:
    if not isinstance(facts, list) or not facts:
        return [("facts", "is not a list of facts with at least one")]
    faults = []
    for fact in facts:
        for column, keys in (
            ("facts", ("city", "item", "stream")),
            ("links", ("source", "relation", "target")),
        ):
            if isinstance(fact, dict) and set(fact) == set(keys):
                row[column] = [*row[column], "|".join(str(fact[key]) for key in keys)]
                break
        else:
            faults.append(
                (
                    "facts",
                    f"has a fact with keys other than city, item, stream or source, relation, target: {fact}",
                )
            )
    return faults


def unknown_facts(cards: pd.DataFrame, items: pd.DataFrame, edges: pd.DataFrame) -> list[Fault]:
    """Return a fault for every fact that is not in the tables."""
    known = {
        "facts": set(items["city"] + "|" + items["item"] + "|" + items["stream"]),
        "links": set(edges["src"] + "|" + edges["relation"] + "|" + edges["dst"]),
    }
    return [
        Fault(row, column, f"has a fact that is not in the tables: {fact}")
        for column, facts_of_tables in known.items()
        for row, facts in cards[column].items()
        for fact in facts
        if fact not in facts_of_tables
    ]


def read_documents(folder: Path) -> Texts:
    """Read the ``.md`` and ``.txt`` files below `folder` as cards.

    The text of a file is the part `what`. A file that is too long or is not UTF-8 gives a row without text,
    and a fault.

    Raises
    ------
    ContractError
        If the folder is missing or has no such file.
    """
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in (".md", ".txt") and path.is_file()
    )
    if not paths:
        raise ContractError(
            f"releaf.ingest.documents: {folder} has no .md or .txt file; set another folder, or null"
        )
    rows, faults = [], []
    for number, path in enumerate(paths):
        # A name that is not UTF-8 cannot be written to a table.
        name = path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()
        stem = name.rpartition("/")[2].rpartition(".")[0]
        row = _empty() | {"card_id": f"document:{name}", "kind": "document", "title": stem}
        text, reason = _text(path)
        if reason:
            faults.append(Fault(number, "what", reason))
        else:
            row |= {"title": _heading(text) or stem, "what": " ".join(text.split())}
        rows.append(row)
    return Texts(pd.DataFrame(rows, columns=COLUMNS), faults)


def _text(path: Path) -> tuple[str, str]:
    """Return the text of a file, and the reason if it cannot be used."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return "", f"has more than {MOST_BYTES:,} bytes; divide it into shorter documents"
        return path.read_text(encoding="utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "is not UTF-8; save it as UTF-8, e.g. iconv -f latin1 -t utf-8"
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"


def _heading(text: str) -> str:
    return next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")


def read_city_texts(folder: Path) -> pd.DataFrame:
    """Read the cities' own texts of the full tier as cards.

    The text is the part `what`. Rows without a text are left out.

    Raises
    ------
    ContractError
        If a table of `CITY_TEXTS` is missing.
    """
    from tasks.sources import read_table

    rows = []
    for table, (key, title, text) in CITY_TEXTS.items():
        frame = read_table(str(folder), table, [key, title, text], [key], block="releaf.ingest").frame
        frame = frame[frame[text].fillna("").str.strip() != ""]
        rows += [
            _empty()
            | {
                "card_id": f"{table}:{row[key]}",
                "kind": "city",
                "title": row[title],
                "what": " ".join(row[text].split()),
            }
            for row in frame.to_dict("records")
        ]
    return pd.DataFrame(rows, columns=COLUMNS)
