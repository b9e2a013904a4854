"""Metrics and plots as DVC finds them; DVC's own answer is the oracle."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from toys import commit, inside, make_repository, write

from statewright.record.outputs import files_of
from statewright.record.plots import points_of
from statewright.repository.artifacts import artifact_tags
from statewright.repository.declaration import declare, open_repository
from statewright.repository.metrics import read_metrics, stage_metrics, with_definitions

ODD = {
    "acc@5": 0.5,
    "f1 (macro)": 0.4,
    "é%": 1,
    "a/b/c": 2,
    "nan": math.nan,
    "inf": math.inf,
    "s": "text",
    "b": True,
    "n": None,
    "l": [1, 2, [3]],
    "deep": {"x": {"y": {"z": 1.5}}},
    "": 7,
    "big": 10**30,
    "q:?*": 1,
    "p r": {"0": [{"auc": 0.5}]},
    "text of a number": "0.5",
}
STAGES = """
    stages:
      train:
        cmd: "true"
        metrics: [m.json, m.yaml, m.toml, bad.json, num.json, other.txt, plain.yaml, folder, absent.json]
        plots:
        - curve.csv: {x: epoch}
        - shots: {x: step}
        outs: [live, more.yml, image.png]
      below:
        cmd: "true"
        wdir: sub
        metrics: [m.json]
    metrics: [live/metrics.json, more.yml]
    plots:
    - live/plots/metrics: {x: step}
    - both:
        x: step
        y: {live/extra.json: [loss], more.yml: acc}
    - live/plots/images
    artifacts:
      model: {path: live/model.bin, type: model}
    """
FILES = {
    "dvc.yaml": STAGES,
    "m.json": json.dumps(ODD),
    "m.yaml": "acc: .5\nloss: 1e-3\nwords: [a]\n1: 2\non: yes\n",
    "m.toml": "acc = 0.5\nday = 2020-01-01\n[deep]\nx = 3\n",
    "bad.json": '{"acc": 0.5,}',
    "num.json": "0.75",
    "other.txt": "auc: 0.25\n",
    "plain.yaml": "4\n",
    "folder/a.json": '{"a": 1}',
    "folder/inner/b.yaml": "b: 2\n",
    "more.yml": "acc: 3\n",
    "live/metrics.json": '{"step": 2, "train": {"loss": 0.25}}',
    "live/model.bin": "weights",
    "live/extra.json": '[{"step": 0, "loss": 1}, {"step": 1, "loss": 0.5}]',
    "live/plots/metrics/train/loss.tsv": "step\tloss\n0\t0.5\n1\t0.25\n",
    "live/plots/metrics/test/loss.tsv": "step\tloss\n0\t0.75\n1\t0.5\n",
    "live/plots/images/face.png": "image",
    "image.png": "image",
    "curve.csv": "epoch,f1,word\n1,0.5,x\n2,0.75,y\n",
    "shots/one.yaml": "points:\n- {step: 1, precision: 0.5}\n- {step: 2, precision: 0.75}\n",
    "sub/m.json": '{"below": 1}',
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with metrics and plots of every kind."""
    root = make_repository(tmp_path_factory.mktemp("metrics") / "repo", {"dvc.yaml": STAGES})
    for name, text in FILES.items():
        if name != "dvc.yaml":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    commit(root)
    return root


def shown_by_dvc(root: Path) -> dict[str, float]:
    """Return the numbers that ``dvc metrics show`` reads."""
    from dvc.repo import Repo

    with inside(root), Repo(str(root)) as repo:
        files = repo.metrics.show()[""]["data"]
    return {
        f"{path}:{key}": float(value)
        for path, result in files.items()
        for key, value in leaves("", result.get("data"))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(f"{prefix}.{key}" if prefix else str(key), item)
    else:
        yield prefix, value


def as_texts(metrics: Mapping[str, float]) -> dict[str, str]:
    """Return metrics that compare equal although NaN differs from itself."""
    return {name: repr(value) for name, value in metrics.items()}


def test_metrics_are_those_that_dvc_shows(root: Path) -> None:
    repository = open_repository(root)
    metrics = read_metrics(repository, declare(repository))
    assert as_texts(metrics) == as_texts(shown_by_dvc(root))
    assert metrics["m.yaml:acc"] == metrics["m.toml:acc"] == 0.5
    assert metrics["live/metrics.json:train.loss"] == 0.25
    assert metrics["folder/inner/b.yaml:b"] == 2
    assert metrics["num.json:"] == 0.75


def test_metrics_of_a_stage_have_short_names_unless_files_share_them(root: Path) -> None:
    repository = open_repository(root)
    stages = declare(repository).stages
    metrics = stage_metrics(repository, with_definitions(repository, stages["train"]))
    assert metrics["auc"] == 0.25 and metrics["train.loss"] == 0.25
    assert metrics["m.yaml:acc"] == metrics["m.toml:acc"] == 0.5 and metrics["more.yml:acc"] == 3
    assert metrics["num.json"] == 0.75 and metrics["plain.yaml"] == 4
    assert "acc" not in metrics and "below" not in metrics
    below = with_definitions(repository, stages["below"])
    assert stage_metrics(repository, below) == {"below": 1}


def test_plots_of_every_kind_have_points_and_files(root: Path) -> None:
    repository = open_repository(root)
    stage = with_definitions(repository, declare(repository).stages["train"])
    files = files_of(root, stage)
    names = {Path(file.folder, Path(file.path).name).as_posix() for file in files}
    assert {
        "image.png",
        "face.png",
        "curve.csv",
        "one.yaml",
        "extra.json",
        "live/plots/metrics/train/loss.tsv",
        "live/plots/metrics/test/loss.tsv",
    } <= names
    assert "model.bin" not in names
    points: dict[str, list[tuple[int, float]]] = {}
    for name, value, step in points_of(files):
        points.setdefault(name, []).append((step, value))
    assert points == {
        "f1": [(1, 0.5), (2, 0.75)],
        "precision": [(1, 0.5), (2, 0.75)],
        "extra.json:loss": [(0, 1.0), (1, 0.5)],
        "live/plots/metrics/train/loss.tsv:loss": [(0, 0.5), (1, 0.25)],
        "live/plots/metrics/test/loss.tsv:loss": [(0, 0.75), (1, 0.5)],
    }


def test_artifacts_of_the_top_level_are_tags_of_the_stage_that_writes_them(root: Path) -> None:
    repository = open_repository(root)
    stages = declare(repository).stages
    assert artifact_tags(repository, stages["train"]) == {"artifact:model": "model live/model.bin"}
    assert artifact_tags(repository, stages["below"]) == {}


def test_json_metrics_do_not_load_the_readers_of_dvc(tmp_path: Path) -> None:
    """Read what most repositories have at the cost of `json.loads`."""
    root = make_repository(
        tmp_path, {"dvc.yaml": "stages: {a: {cmd: 'true', metrics: [a.json]}}", "a.json": '{"x": 1}'}
    )
    write(root, {"a.json": '{"x": 1}'})
    repository = open_repository(root)
    workflow = declare(repository)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvc.utils.serialize.load_path", lambda *_: pytest.fail("read by DVC"))
        assert read_metrics(repository, workflow) == {"a.json:x": 1.0}
