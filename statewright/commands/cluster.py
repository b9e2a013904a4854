"""Commands about the cluster on which stages run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from statewright.commands import FAILED, OK
from statewright.workflow import WorkflowError


def show(options: argparse.Namespace) -> int:
    """Print what a run would submit, and submit nothing."""
    from statewright.remote.cluster_file import JOB_KINDS
    from statewright.remote.clusters import parse_on, summary
    from statewright.repository.declaration import find_root

    cluster = parse_on(f"dask={options.cluster}")
    if cluster.kind in JOB_KINDS:
        from statewright.remote.jobqueue import job_script

        print(job_script(cluster, find_root(Path.cwd())), end="")
    elif cluster.kind == "kubernetes":
        import json

        from statewright.remote.kubernetes import manifest

        # Valid YAML too: `statewright cluster show FILE | kubectl apply --dry-run=server -f -`.
        print(json.dumps(manifest(cluster, options.workers), indent=2))
    else:
        print(f"{options.cluster}: {summary(cluster, options.workers)}; nothing is submitted")
    return OK


def check(options: argparse.Namespace) -> int:
    """Check a description against this machine and the stages of the repository."""
    from statewright.reads.store import load_reads
    from statewright.remote.checks import faults_of, offers_now
    from statewright.remote.clusters import parse_on, summary
    from statewright.remote.resources import check_fits
    from statewright.remote.travel import cannot_travel, sentences
    from statewright.repository.declaration import declare, open_repository
    from statewright.terminal.words import counted

    cluster = parse_on(f"dask={options.cluster}")
    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    stays = cannot_travel(repository, workflow, load_reads(repository.root))
    commands = [address for address, stage in workflow.stages.items() if stage.cmd]
    travelling = [address for address in commands if address not in stays]
    workers = os.cpu_count() or 1
    print(f"{options.cluster}: {summary(cluster, workers)}")
    for line in sentences(stays, commands):
        print(line)
    faults = faults_of(cluster, repository.root)
    if not faults:
        try:
            check_fits(workflow, travelling, offers_now(cluster, workers, repository.root, print))
        except WorkflowError as error:
            faults = [str(error)]
    for fault in faults:
        print(fault)
    print(
        f"{len(travelling)} of {counted(len(commands), 'stage')} can travel, {counted(len(faults), 'fault')}"
    )
    return FAILED if faults else OK
