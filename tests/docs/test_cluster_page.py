"""The reference of cluster files has each key as the code declares it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from statewright.remote.cluster_file import KINDS, Cluster, description_of
from statewright.remote.clusters import parse_on

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_has_each_key_with_its_kinds_and_meaning():
    lines = (DOCS / "reference" / "cluster.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    table = {row[0].strip("`"): (row[1], row[-1]) for row in rows}
    expected = {}
    for key in Cluster.model_fields:
        meaning, kinds = description_of(key)
        named = "all" if kinds == list(KINDS) else ", ".join(f"`{kind}`" for kind in kinds)
        expected[key] = (named, meaning)
    assert table == expected


@pytest.mark.parametrize("page", ["reference/cluster.md", "cluster-configuration.md"])
def test_examples_are_valid_descriptions(tmp_path, page):
    examples = re.findall(r"```yaml\n(kind:.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert examples
    for example in examples:
        (tmp_path / "cluster.yaml").write_text(example)
        assert parse_on(f"dask={tmp_path / 'cluster.yaml'}")
