"""`statewright cluster` and `statewright plan --on`: nothing is submitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import make_repository

from statewright.cli import main

STAGES = """
    stages:
      small: {cmd: cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}
      large: {cmd: cp a.txt c.txt, deps: [a.txt], outs: [c.txt], meta: {cpu: 8}}
      pinned: {cmd: cp a.txt d.txt, deps: [a.txt], outs: [d.txt], meta: {travel: false}}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """Create a repository with two descriptions of a cluster."""
    files = {
        "dvc.yaml": STAGES,
        "a.txt": "1\n",
        "slurm.yaml": "kind: slurm\ncpu: 4\n",
        "pods.yaml": "kind: kubernetes\nimage: a:1\ncpu: 8\n",
    }
    return make_repository(tmp_path_factory.mktemp("cluster") / "repo", files)


@pytest.fixture
def call(repository, monkeypatch, capsys):
    """Return a function that runs a command and returns status, output and error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(repository)
        with pytest.raises(SystemExit) as end:
            main(arguments)
        return end.value.code, *capsys.readouterr()

    return run


def test_show_prints_the_job_script_and_the_manifest(call):
    status, script, _ = call("cluster", "show", "slurm.yaml")
    assert (status, script.splitlines()[0]) == (0, "#!/usr/bin/env bash")
    assert "--tls-key" in script
    status, text, _ = call("cluster", "show", "pods.yaml", "--workers", "3")
    assert json.loads(text)["spec"]["worker"]["replicas"] == 3


def test_check_names_faults_and_stages_that_stay(call, monkeypatch):
    assert call("cluster", "check", "pods.yaml")[0] == 0
    monkeypatch.setattr("statewright.remote.jobqueue.shutil.which", lambda command: None)
    status, text, _ = call("cluster", "check", "slurm.yaml")
    assert status == 1
    assert "pinned runs on this machine: meta.travel is false" in text
    assert "needs the command sbatch" in text
    assert "2 of 3 stages can travel, 1 fault" in text


def test_plan_names_stages_that_stay_and_refuses_those_that_do_not_fit(call):
    status, text, _ = call("plan", "--on", "dask=pods.yaml")
    assert (status, text.count("runs on this machine")) == (0, 1)
    status, _, error = call("plan", "--on", "dask=slurm.yaml")
    assert status == 2
    assert "stage 'large' asks for 8 cores, 1 GiB; the largest worker has 4 cores, 2 GiB" in error
    stays = json.loads(call("plan", "--json", "--on", "dask=pods.yaml")[1])["stays"]
    assert stays == {"pinned": "meta.travel is false"}
