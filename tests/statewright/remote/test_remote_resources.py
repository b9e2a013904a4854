"""Stages that fit a worker, and stages that cannot leave the coordinator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toys import make_repository, write

from statewright.reads.store import load_reads
from statewright.remote.cluster_file import Cluster
from statewright.remote.resources import capacity, check_fits, demands, described, expected_offers
from statewright.remote.travel import cannot_travel
from statewright.repository.declaration import declare, open_repository
from statewright.workflow import Stage, Workflow, WorkflowError

STAGES = """
    stages:
      plain: {cmd: echo, deps: [src, data.csv, made/in.txt], outs: [a], params: [x], always_changed: true}
      maker: {cmd: echo, deps: [src/main.py], outs: [made]}
      pinned: {cmd: echo, outs: [b], meta: {travel: false}}
      frozen: {cmd: echo, outs: [c], frozen: true}
      kept: {cmd: echo, deps: [src], outs: [{d: {persist: true}}]}
      changing: {cmd: echo, deps: [src], outs: [e], meta: {rewrites: src}}
      outside: {cmd: echo, deps: [../shared.txt], outs: [f]}
      beyond: {cmd: echo, deps: [src], outs: [../g]}
      private: {cmd: echo, deps: [secret.key], outs: [h]}
      holder: {cmd: echo, deps: [mixed], outs: [i]}
      linked: {cmd: echo, deps: [link], outs: [j]}
      through: {cmd: echo, deps: [src], outs: [out/k]}
      spoken: {deps: [src], cmd: cat /etc/hostname, outs: [l]}
"""


@pytest.fixture(scope="module")
def reasons(tmp_path_factory):
    """Return the reasons of a repository with one stage of each kind."""
    root = make_repository(tmp_path_factory.mktemp("travel") / "repo", {"dvc.yaml": STAGES})
    write(
        root,
        {
            "params.yaml": "x: 1\n",
            ".gitignore": "*.key\n__pycache__\n/data.csv\n",
            "src/main.py": "",
            "src/__pycache__/main.pyc": "",
            "data.csv": "1\n",
            "data.csv.dvc": "outs:\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\n  size: 2\n  path: data.csv\n",
            "secret.key": "s\n",
            "mixed/a.txt": "",
            "mixed/b.key": "",
        },
    )
    (root / "../shared.txt").write_text("")
    (root / "link").symlink_to("/etc")
    (root / "out").symlink_to("/tmp")
    here = Path.cwd()
    repository = open_repository(root)
    reasons = cannot_travel(repository, declare(repository), load_reads(root))
    os.chdir(here)
    return {address: reason.replace(f"{root.parent}/", "../") for address, reason in reasons.items()}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("data.csv.dvc", "it has no command that a run starts (frozen, import or data source)"),
        ("pinned", "meta.travel is false"),
        ("frozen", "it has no command that a run starts (frozen, import or data source)"),
        ("kept", "its output d is kept from run to run (persist)"),
        ("changing", "it changes its dependency src"),
        ("outside", "its dependency ../shared.txt is outside of the repository"),
        ("beyond", "its output ../g is outside of the repository"),
        (
            "private",
            "its dependency secret.key is neither in git nor in DVC; `dvc add secret.key` lets it travel",
        ),
        (
            "holder",
            "its dependency mixed holds mixed/b.key, which is neither in git nor in DVC; "
            "`dvc add mixed/b.key` lets it travel",
        ),
        ("linked", "its dependency link leads out of the repository by the symbolic link link"),
        ("through", "its output out/k leads out of the repository by the symbolic link out"),
    ],
)
def test_a_stage_stays_for_a_reason(reasons: dict[str, str], address: str, reason: str) -> None:
    assert reasons[address] == reason


def test_other_stages_travel(reasons: dict[str, str]) -> None:
    assert not {"plain", "maker", "spoken"} & set(reasons)


def workflow(**meta: object) -> Workflow:
    return Workflow({"train": Stage("train", ("true",), meta=meta)}, {"train": ()})


def test_a_stage_that_fits_no_worker_is_refused_with_both_amounts() -> None:
    offers = [{"cpu": 2, "ram_gb": 4, "gpu": 0}, {"cpu": 1, "ram_gb": 1, "gpu": 1}]
    check_fits(workflow(cpu=2, ram_gb="4Gi"), ["train"], offers)
    with pytest.raises(WorkflowError) as error:
        check_fits(workflow(cpu=2, gpu=1), ["train"], offers)
    assert "stage 'train' asks for 2 cores, 1 GiB, 1 GPU; the largest worker has 1 core, 1 GiB, 1 GPU" in str(
        error.value
    )


def test_workers_that_offer_nothing_by_name_take_stages_without_gpus() -> None:
    stage = Stage("train", ("true",), meta={"cpu": 4})
    assert demands(stage, [{}]) == {}
    assert demands(stage, [{"cpu": 8}]) == {"cpu": 4}
    with pytest.raises(WorkflowError, match="asks for 1 GPU; the largest worker has no named resources"):
        check_fits(workflow(gpu=1), ["train"], [{}])


def test_amounts_in_words() -> None:
    assert described({"cpu": 0.5, "ram_gb": 1.5}) == "0.5 cores, 1.5 GiB"


def test_a_run_is_planned_for_all_workers_that_will_start() -> None:
    offers = expected_offers(Cluster(kind="slurm", workers=3, cpu=2, ram_gb=4), 1)
    limits = capacity(offers, threads=1)
    assert (limits.cores, limits.ram_gb, limits.gpu) == (6, 12, 0)
    assert len(expected_offers(Cluster(kind="pbs"), 5)) == 5
    assert expected_offers(Cluster(kind="address", address="tcp://h:1"), 5) == []


def test_workers_without_named_resources_count_their_threads() -> None:
    assert capacity([{}, {}], threads=4).cores == 4
