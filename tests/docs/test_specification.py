"""The pages of the specification: every mention of a section leads to a heading."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "specification").glob("[1-5]-*.md"))
HEADING = re.compile(r"^#+ Specification ([1-5]) §([\d.]+):", re.MULTILINE)
MENTION = re.compile(r"\bspec(?:ification)? ([1-5]),? (?:§|sections? )(\d+(?:\.\d+)*)", re.IGNORECASE)
ROW = re.compile(r"^\| ([1-5]) §(\d+(?:\.\d+)*) \|", re.MULTILINE)


def headings() -> set[tuple[str, str]]:
    return {match for page in PAGES for match in HEADING.findall(page.read_text(encoding="utf-8"))}


def tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_each_mention_of_a_section_has_a_heading() -> None:
    known = headings()
    mentions = {
        (path.relative_to(ROOT).as_posix(), *match)
        for path in tracked("*.py", "*.md", "*.yaml")
        if "specification" not in path.parent.name
        for match in MENTION.findall(path.read_text(encoding="utf-8"))
    }
    assert mentions
    assert [mention for mention in sorted(mentions) if mention[1:] not in known] == []


def test_each_row_of_the_claims_has_a_heading() -> None:
    rows = ROW.findall((ROOT / "docs" / "claims.md").read_text(encoding="utf-8"))
    assert rows
    assert [row for row in rows if row not in headings()] == []
