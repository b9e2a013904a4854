"""Kill stage releaf-graph while it trains, and compare the resumed run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_releaf_graph import QUICK, small
from toys import make_repository

from statewright.functions.progress import progress_folder

OUTPUTS = (
    "link_scores.parquet", "recommendations.parquet", "node_scores.parquet", "graph_model.safetensors",
    "graph.json", "graph_history.csv",
)  # fmt: skip
EPOCHS = 30
PARAMS = QUICK.model_copy(
    update={"validation": 0.2, "test": 0.2, "kinds": ("reuse",), "epochs": EPOCHS, "patience": EPOCHS}
)
FILES = {
    "dvc.yaml": f"""
        stages:
          releaf-graph:
            cmd: python -m tasks releaf-graph
            deps: [nodes.parquet, links.parquet]
            params: [releaf.graph]
            outs: [{", ".join(OUTPUTS)}]
        """,
    "params.yaml": yaml.safe_dump({"releaf": {"graph": PARAMS.model_dump(mode="json")}}),
}
COMMAND = """
import os, signal, sys
from methods.training import checkpoint, loop
from statewright.functions import runner

write, update, left, updates = checkpoint.write, loop._update, int(sys.argv.pop()), []

def dying_write(*arguments):
    global left
    write(*arguments)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def counted_update(*arguments):
    updates.append(1)
    update(*arguments)

checkpoint.write, loop._update = dying_write, counted_update
runner.is_recorded_by_engine = lambda root: True
runner.main("tasks", ["releaf-graph"])
print("updates", len(updates))
"""


def run(root: Path, writes: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the stage; it is killed after some checkpoints."""
    command = [sys.executable, "-c", COMMAND, str(writes)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)


def repository(path: Path) -> Path:
    root = make_repository(path, FILES)
    nodes, links = small()
    nodes.to_parquet(root / "nodes.parquet")
    links.assign(weight=1.0).to_parquet(root / "links.parquet")
    return root


@pytest.mark.slow
def test_a_killed_stage_resumes_its_training_and_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    whole, killed = repository(tmp_path / "whole"), repository(tmp_path / "killed")
    uninterrupted = run(whole)
    assert uninterrupted.returncode == 0, uninterrupted.stderr
    # the checkpoints are after updates 10 and 20, each within its epoch and at the end of it
    assert run(killed, 3).returncode == -signal.SIGKILL
    folder = progress_folder(killed, "releaf-graph")
    assert (folder / "sage-mean" / "state.json").exists()
    assert not any((killed / name).exists() for name in OUTPUTS)
    resumed = run(killed)
    assert resumed.returncode == 0, resumed.stderr
    counts = [int(done.stdout.split("updates ")[1]) for done in (uninterrupted, resumed)]
    assert counts == [EPOCHS, EPOCHS - 20]
    for name in OUTPUTS:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert not folder.exists()
