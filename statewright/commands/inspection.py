"""Commands that check or explain a repository."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from statewright.commands import FAILED, OK
from statewright.commands.planning import request_of
from statewright.workflow import Workflow, WorkflowError


def params(options: argparse.Namespace) -> int:
    """List the params of stages."""
    from statewright.functions.describe import describe_params
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.scope import targets
    from statewright.terminal.parameters import print_parameters
    from statewright.terminal.words import terminal

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    addresses = targets(repository, options.targets) or tuple(workflow.stages)
    parameters = describe_params(repository.root, workflow, addresses)
    if options.json:
        print(json.dumps([parameter.as_dict() for parameter in parameters], indent=2, default=str))
    else:
        print_parameters(parameters, terminal(stderr=False))
    return OK


def check(options: argparse.Namespace) -> int:
    """Check that declarations, contracts, params and files agree."""
    from statewright.functions.checks import faults
    from statewright.meta import ignored_values
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.errors import unusable_command
    from statewright.terminal.words import counted

    if options.write and not options.fix:
        raise WorkflowError("check --write applies the patch of --fix; use both")
    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    if options.reads or options.fix:
        return _check_reads(repository.root, workflow, fix=options.fix, write=options.write)
    commands = {address: unusable_command(stage) for address, stage in repository.stages.items()}
    all_faults = [f"{address}: {problem}" for address, problem in commands.items() if problem]
    all_faults += faults(repository.root, workflow)
    for note in ignored_values({address: stage.settings for address, stage in workflow.stages.items()}):
        print(f"note: {note}; the value is ignored")
    for fault in all_faults:
        print(fault)
    print(f"{counted(len(workflow.stages), 'stage')} checked, {counted(len(all_faults), 'fault')}")
    return FAILED if all_faults else OK


def _check_reads(root: Path, workflow: Workflow, *, fix: bool, write: bool) -> int:
    """List the undeclared reads, or print or apply a patch that declares them."""
    from collections import Counter

    from statewright.planning.holdout import feedback_stages, holdout_reads
    from statewright.reads.fix import apply_fix, make_fix
    from statewright.reads.store import load_reads
    from statewright.reads.undeclared import declaration_of, undeclared_reads
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.what_if import overlay_texts
    from statewright.terminal.display import counted

    def accept(texts: Mapping[str, str]) -> None:
        changed = open_repository(root)
        overlay_texts(changed, texts)
        declare(changed)

    reads = load_reads(root)
    commands = [address for address, stage in workflow.stages.items() if stage.cmd]
    observed = reads.observed(workflow) & set(commands)
    undeclared = undeclared_reads(workflow, reads, commands)
    if not fix:
        holdout = holdout_reads(workflow, feedback_stages(workflow), reads.known(workflow))
        for sentence in [*(read.text for read in undeclared), *(read.text for read in holdout)]:
            print(sentence)
        print(
            f"{len(observed)} of {counted(len(commands), 'stage')} observed, "
            f"{counted(len(undeclared), 'undeclared read')}"
        )
        if len(observed) < len(commands):
            print("a stage is observed when it runs alone, as `statewright run` lets it run the first time")
        return FAILED if undeclared or holdout else OK
    changes = make_fix(root, undeclared, Counter(map(declaration_of, workflow.stages)), accept)
    if write:
        apply_fix(root, changes)
        for file in changes.texts:
            print(f"{file}: changed; the stages with new deps run once more")
    else:
        print(changes.patch, end="")
    for sentence in changes.by_hand:
        print(sentence, file=sys.stderr)
    if not undeclared:
        print("no undeclared read was observed", file=sys.stderr)
    return FAILED if changes.by_hand or (changes.texts and not write) else OK


def config(options: argparse.Namespace) -> int:
    """Print the settings of the repository."""
    from statewright.configuration import read_configuration, settings
    from statewright.repository.declaration import open_repository
    from statewright.terminal.parameters import print_settings
    from statewright.terminal.words import terminal

    configuration = read_configuration(open_repository(Path.cwd()).root)
    if options.json:
        values = {
            name: {"value": getattr(configuration, name), "source": configuration.sources.get(name)}
            for name, _ in settings()
        }
        print(json.dumps(values, indent=2))
    else:
        print_settings(configuration, terminal(stderr=False))
    return OK


def doctor(options: argparse.Namespace) -> int:
    """Report what is installed, reachable and writable."""
    from statewright.doctor import examine

    findings = examine(Path.cwd())
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    return OK if all(finding.ok for finding in findings) else FAILED


def trace(options: argparse.Namespace) -> int:
    """Show the origin of a subject and its dependents."""
    from statewright.lineage.display import print_trace
    from statewright.lineage.params import MAX_PARAMS
    from statewright.lineage.provenance import trace as trace_subject
    from statewright.terminal.words import terminal

    result = trace_subject(Path.cwd(), options.subject)
    if options.json:
        print(json.dumps(result.as_dict(), indent=2, default=str))
    else:
        print_trace(result, terminal(stderr=False), most=None if options.all else MAX_PARAMS)
    return OK


def verify(options: argparse.Namespace) -> int:
    """Run stages twice and compare their outputs, or compare with a revision."""
    if options.against:
        return _verify_against(options)
    if options.no_run:
        raise WorkflowError("--no-run compares files with a revision; add --against REV")
    from statewright.lineage.display import print_verification
    from statewright.running.failure import print_failure
    from statewright.running.process import StageFailedError
    from statewright.terminal.words import terminal
    from statewright.verify.reproduction import Verification, verify_stages

    results: list[Verification] = []
    progress, console = terminal(), terminal(stderr=False)

    def report(result: Verification) -> None:
        results.append(result)
        if not options.json:
            print_verification(result, console)

    try:
        identical = verify_stages(
            Path.cwd(),
            request_of(options),
            lambda line: progress.print(line, highlight=False, markup=False),
            report,
        )
    except StageFailedError as error:
        print_failure(str(error), progress)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in results]}, indent=2))
    return OK if identical else FAILED


def _verify_against(options: argparse.Namespace) -> int:
    """Compare outputs with those that a revision records."""
    from statewright.lineage.display import print_agreement
    from statewright.running.failure import print_failure
    from statewright.running.process import StageFailedError
    from statewright.terminal.words import terminal
    from statewright.verify.against import Agreement, verify_against

    results: list[Agreement] = []
    progress, console = terminal(), terminal(stderr=False)

    def report(result: Agreement) -> None:
        results.append(result)
        if not options.json:
            print_agreement(result, console)

    try:
        agree = verify_against(
            Path.cwd(), options.against, request_of(options), report, progress.print, run=not options.no_run
        )
    except StageFailedError as error:
        print_failure(str(error), progress)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in results]}, indent=2))
    return OK if agree else FAILED
