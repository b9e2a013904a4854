"""Everyday words about waste: spellings, synonyms, brands, kinds and hazards.

The tables hold general vocabulary of English. They name no city and no bin. `releaf.words` and
`releaf.hazards` apply them. A row of a table may continue on indented lines.
"""

from __future__ import annotations


def rows(text: str) -> list[str]:
    """Return the rows of a table, each on one line."""
    return [" ".join(row.split()) for row in text.strip("\n").replace("\n    ", " ").splitlines()]


def words(text: str) -> list[str]:
    """Return the words of a table that is one list of words."""
    return text.split()
