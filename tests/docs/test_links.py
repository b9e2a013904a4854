"""Links lead to files that exist, and the navigation lists every page."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAVIGATION = re.compile(r"([\w./-]+\.md)$", re.MULTILINE)
# Pages that .ci/docs_site.py makes when the site is built.
GENERATED = {
    "contributing.md",
    "changelog.md",
    "reference/commands.md",
    "reference/params.md",
    "reference/code.md",
}


def tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


@pytest.mark.parametrize("page", tracked("*.md"))
def test_links_lead_to_files_of_the_repository(page: str) -> None:
    folder = (ROOT / page).parent
    links = LINK.findall(FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")))
    generated = {(ROOT / "docs" / name).resolve() for name in GENERATED}
    missing = [link for link in links if not (folder / link).exists()]
    assert [link for link in missing if (folder / link).resolve() not in generated] == []


def test_navigation_lists_each_page_once() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = NAVIGATION.findall(navigation)
    pages = {name.removeprefix("docs/") for name in tracked("docs/*.md")}
    assert sorted(listed) == sorted(pages | GENERATED)
