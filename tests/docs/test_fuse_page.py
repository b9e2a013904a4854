"""The commands of docs/fuse-your-data.md, run on two tables of scikit-learn."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tumours import patients

from statewright.verify.scratch import copy_checkout
from tasks.fusion.params import IngestParams

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fuse-your-data.md").read_text(encoding="utf-8")
COMMAND_S = 600
"""Seconds in which a command must end, also on a busy machine."""

OPERATORS = r"(  fuse:\n    operators: )\[.*?\]"


def commands() -> list[list[str]]:
    """Return the words of each command of the page, in its order."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = "\n".join(text for kind, text in blocks if not kind).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy this repository without outputs, and add the two tables."""
    root = copy_checkout(ROOT, tmp_path_factory.mktemp("fuse"), [], ["data/fusion"])
    project = root / "pyproject.toml"
    project.write_text(project.read_text().replace('prefect = "always"', 'prefect = "never"'))
    # The networks take most of the time, and the page is not about them.
    params = root / "params.yaml"
    fewer = ((r"resplits: \d+", "resplits: 2"), (r"most_components: \d+", "most_components: 2"))
    for old, new in (*fewer, (OPERATORS, r"\1[late-average, early, boosting]")):
        changed, count = re.subn(old, new, params.read_text(encoding="utf-8"))
        assert count == 1
        params.write_text(changed, encoding="utf-8")
    frame = patients()
    (root / "my-tables").mkdir()
    means = [column for column in frame if column.startswith("mean")]
    worst = [column for column in frame if column.startswith("worst")]
    frame[["patient", "diagnosis", *means]].to_csv(root / "my-tables" / "means.csv", index=False)
    frame[["patient", *worst]].sample(frac=1, random_state=0).to_parquet(root / "my-tables" / "worst.parquet")
    return root


def run(checkout: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    assert words[0] == "statewright"
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def test_the_block_of_the_page_is_valid() -> None:
    """Check the YAML of the page by the model of the params, and its list of keys."""
    block = re.search(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert block is not None
    written = YAML(typ="safe").load(block[1])["fusion"]["ingest"]
    shipped = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["fusion"]["ingest"]
    IngestParams.model_validate({**shipped, **written})
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(IngestParams.model_fields)


def test_the_messages_of_the_page_are_those_of_the_stages() -> None:
    """Find each quoted part of a message in the source of the stages."""
    files = [*(ROOT / "tasks" / "fusion").rglob("*.py"), ROOT / "tasks" / "sources.py"]
    source = "".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in files)
    section = PAGE.partition("## If a stage refuses")[2].partition("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    parts = [part.strip() for message in messages for part in message.split("...")]
    assert len(messages) >= 10
    assert [part for part in parts if part not in source] == []


def test_the_page_has_four_commands() -> None:
    found = commands()
    assert [words[:2] for words in found] == [
        ["statewright", name] for name in ("run", "check", "plan", "loop")
    ]
    assert found[0].count("--set") == 5


@pytest.mark.slow
def test_every_command_of_the_page_works(checkout: Path) -> None:
    names = []
    for words in commands():
        if words[1] == "loop":
            words = [*words[:-1], "1"]  # further rounds repeat the stages of the first one
        done = run(checkout, words)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        names.append(words[1])
    assert len(names) == 4
    report = (checkout / "data" / "fusion" / "report.html").read_text(encoding="utf-8")
    for word in ("means", "worst", "malignant", "569"):
        assert word in report
