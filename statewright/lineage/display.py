"""Print a trace, as trees, and a verification to the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from statewright.drift import Environments, in_words
from statewright.interpreter import differences
from statewright.lineage.params import MAX_PARAMS, grouped, relevant_params
from statewright.lineage.provenance import Trace
from statewright.lineage.walk import Dependent, Source, Step
from statewright.masking import mask_command
from statewright.planning.reasons import show
from statewright.record.runs import PastRun
from statewright.terminal.words import clock, counted
from statewright.verify.against import Agreement
from statewright.verify.reproduction import OutputComparison, Verification

MAX_NAMES = 3
"""Maximum number of names of a list on one line; `--json` prints all."""

MAX_DEPTH = 12
"""Maximum depth of a tree; `--json` prints the whole tree."""

SOURCE_KINDS: Mapping[str, str] = {
    "git": "in git",
    "dvc": "tracked by {keeper}",
    "outside": "outside of the repository",
    "unversioned": "in no version control",
}


def print_trace(trace: Trace, console: Console, *, most: int | None = MAX_PARAMS) -> None:
    """Print the subject of a trace, its history, its sources and its dependents.

    Parameters
    ----------
    most : int or None
        Maximum number of params; None prints all.
    """
    subject = trace.subject
    title = [subject.stage or subject.path or subject.name, *([show(trace.version)] if trace.version else [])]
    console.print(Text("  ".join(title), style="bold").append(f"  {trace.standing}", style="not bold"))
    lines: list[tuple[str, str | Text]] = [
        (key.partition(":")[2], f"{value:g}") for key, value in subject.metrics.items()
    ]
    for step in trace.steps:
        lines += _made_by(step) if len(trace.steps) == 1 else [("made by", f"{step.stage}  {_short(step)}")]
    lines += _params(trace, most)
    if trace.commit:
        dirty = any(step.run and step.run.dirty for step in trace.steps)
        lines.append(("commit", trace.commit[:12] + (", with uncommitted changes" if dirty else "")))
    lines += [("note", note) for note in trace.notes]
    if trace.command:
        lines.append(("rebuild", Text(trace.command, style="green")))
    _print_lines(lines, console)
    if trace.steps:
        console.print(_history_tree(trace.steps))
    console.print(_dependents_tree(trace) if trace.dependents else Text("nothing depends on it", style="dim"))


def _print_lines(lines: Sequence[tuple[str, str | Text]], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in lines:
        table.add_row(Text(f"  {name}", style="dim"), value if isinstance(value, Text) else Text(value))
    console.print(table)


def _made_by(step: Step) -> list[tuple[str, str | Text]]:
    lines: list[tuple[str, str | Text]] = [("made by", f"{step.stage}: {mask_command('; '.join(step.cmd))}")]
    if step.run is not None:
        lines.append(("run", _run(step.run)))
        if step.run.parent_id:
            lines.append(("part of", f"{step.run.parent_id}{_flow(step.run)}"))
        if python := step.run.tags.get("statewright.python"):
            lines.append(("software", python + _drift(step.run)))
        if reason := step.run.tags.get("statewright.reason"):
            lines.append(("because", show_list(reason.split("; "), "; ")))
    elif step.known:
        lines.append(("run", "no run in MLflow wrote this version; the rest is from dvc.lock"))
    else:
        lines.append(("run", "no record of the run that wrote this version"))
    if step.restored is not None:
        lines.append(("restored", f"from the run cache by {_run(step.restored)}"))
    if step.code:
        modules = dict.fromkeys(name.partition(":")[0] for name in step.code)
        lines.append(("code", f"{len(step.code)} definitions of {show_list(list(modules))}"))
    return lines


def _drift(run: PastRun) -> str:
    """Return how the software of a run differs from the software that is here."""
    environments = Environments(Path.cwd())
    was = environments.read(run.tags.get("statewright.environment"))
    if was is None:
        same = run.tags.get("statewright.environment") == environments.here.digest
        return ", the same distributions as here" if same else ""
    number = f", {counted(len(was.distributions), 'distribution')}"
    if changes := differences(was, environments.here):
        before, now = in_words(changes)
        return f"{number}; made with {before}, here is {now}"
    return f"{number}, the same as here"


def _params(trace: Trace, most: int | None) -> list[tuple[str, str | Text]]:
    """Return the lines of the most relevant params, by stage."""
    params = relevant_params(trace.steps, trace.current)
    shown = params[:most]
    makers = {step.stage for step in trace.steps}
    lines: list[tuple[str, str | Text]] = [
        ("params", text if stage in makers else f"of {stage}: {text}") for stage, text in grouped(shown)
    ]
    if more := len(params) - len(shown):
        lines.append(("params", f"and {more} more (--all shows them)"))
    return lines


def _run(run: PastRun) -> str:
    when = datetime.fromtimestamp(run.started).strftime("%Y-%m-%d %H:%M:%S") if run.started else ""
    took = f"took {clock(run.seconds)}" if run.seconds is not None else ""
    return ", ".join(filter(None, (run.run_id, when, took, run.link)))


def _flow(run: PastRun) -> str:
    flow = run.tags.get("prefect.link") or run.tags.get("prefect.flow_run")
    return f", Prefect {flow}" if flow else ""


def show_list(names: Sequence[str], mark: str = ", ") -> str:
    """Return the first names of a list and the number of the others."""
    more = f"{mark}and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return mark.join(names[:MAX_NAMES]) + more


def _history_tree(steps: Sequence[Step]) -> Tree:
    """Return the tree of the inputs of `steps`, in which each step is expanded once."""
    root = Tree(Text("made from", style="bold"))
    shown: set[int] = set()
    for step in steps:
        _add_history(root if len(steps) == 1 else root.add(Text(step.stage, style="cyan")), step, shown, 1)
    return root


def _add_history(branch: Tree, step: Step, shown: set[int], depth: int) -> None:
    shown.add(id(step))
    for source in step.sources:
        branch.add(Text(_source(source)))
    for earlier, paths in step.before:
        label = Text(earlier.stage, style="cyan")
        files = [f"{path} {show(step.inputs.get(path))}" for path in paths]
        label.append(f"  {show_list(files)}", style="none")
        label.append(f"  {_short(earlier)}", style="dim")
        repeated = id(earlier) in shown and (earlier.before or earlier.sources)
        if repeated:
            label.append(" (its inputs are above)", style="dim")
        child = branch.add(label)
        if not repeated and depth < MAX_DEPTH:
            _add_history(child, earlier, shown, depth + 1)
        elif not repeated and (earlier.before or earlier.sources):
            child.add(Text("... (--json prints the whole chain)", style="dim"))


def _short(step: Step) -> str:
    if step.run is None:
        return "no run in MLflow" if step.known else "no record of this version"
    return f"run {step.run.run_id[:8]}"


def _source(source: Source) -> str:
    return f"{source.path} {show(source.hash)}  {SOURCE_KINDS[source.kind].format(keeper=source.keeper)}"


def _dependents_tree(trace: Trace) -> Tree:
    """Return the tree of the dependent stages, each below its first dependency."""
    root = Tree(Text("needed by", style="bold"))
    branches: dict[str, tuple[Tree, int]] = {}
    omitted = 0
    for dependent in trace.dependents:
        above = next((name for name in dependent.after if name in branches), None)
        if dependent.after and above is None:
            omitted += 1
            continue
        branch, depth = branches[above] if above else (root, 0)
        if depth >= MAX_DEPTH:
            omitted += 1
        else:
            branches[dependent.stage] = branch.add(_needs(dependent, above)), depth + 1
    if omitted:
        noun = "stage" if omitted == 1 else "stages"
        root.add(Text(f"and {omitted} more {noun} (--json prints all)", style="dim"))
    return root


def _needs(dependent: Dependent, above: str | None) -> Text:
    label = Text(dependent.stage, style="cyan")
    label.append(f"  reads {show_list(_read(dependent))}", style="none")
    others = [name for name in dependent.after if name != above]
    if others:
        label.append(f"  also after {show_list(others)}", style="dim")
    if dependent.metrics:
        label.append(f"  metrics {show_list(dependent.metrics)}", style="green")
    return label


def _read(dependent: Dependent) -> list[str]:
    """Return the inputs of a stage, with the definitions of a module counted."""
    modules = [name.partition(":")[0] for name in dependent.reads if ":" in name and "://" not in name]
    counted = [f"{modules.count(name)} definitions of {name}" for name in dict.fromkeys(modules)]
    return [*counted, *(name for name in dependent.reads if ":" not in name or "://" in name)]


def print_verification(result: Verification, console: Console) -> None:
    """Print the verdict on a stage, and hashes and differences of each output."""
    style = "green" if result.identical else "bold red"
    console.print(Text(f"{result.stage}: {_verdict(result)}", style=style))
    for output in result.outputs:
        console.print(Text(f"  {output.path}  {_hashes(output)}", style="" if output.as_recorded else "red"))
        for difference in output.differences:
            console.print(Text("      " + ": ".join(filter(None, (difference.where, difference.text)))))
    if result.stale:
        console.print(Text(f"  not compared with dvc.lock: {show_list(result.stale)}", style="dim"))


def print_agreement(result: Agreement, console: Console) -> None:
    """Print how the outputs of a stage differ from those of a revision."""
    style = "green" if result.agrees else "bold red"
    took = "" if result.seconds is None else f" ({clock(result.seconds)})"
    counts = {output.verdict: 0 for output in result.outputs}
    for output in result.outputs:
        counts[output.verdict] += 1
    numbers = ", ".join(f"{counted(n, 'output')} {verdict}" for verdict, n in counts.items())
    console.print(Text(f"{result.stage}: {numbers}{took}", style=style))
    for output in result.outputs:
        if output.verdict == "same bytes":
            continue
        hashes = f"{show(output.recorded)} in {result.revision}, {show(output.hash)} here"
        console.print(
            Text(f"  {output.path}  {output.verdict}: {hashes}", style="" if output.agrees else "red")
        )
        for difference in [item for item in output.differences if not item.tolerable or output.agrees]:
            beyond = f"; {difference.beyond} beyond the tolerance" if difference.beyond else ""
            line = ": ".join(filter(None, (difference.where, difference.text)))
            console.print(Text(f"      {line}{beyond}"))
    if result.stale:
        console.print(
            Text(f"  dvc.lock of {result.revision} is stale: {show_list(result.stale)}", style="yellow")
        )


def _verdict(result: Verification) -> str:
    took = " and ".join(clock(seconds) for seconds in result.seconds)
    changed = [output.path for output in result.outputs if not output.repeatable]
    if changed:
        share = f"{len(changed)} of {len(result.outputs)} outputs"
        return f"not repeatable: {share} differ between two runs ({took})"
    if not result.identical:
        return (
            f"repeatable here, but not what dvc.lock records ({took}): "
            "the recorded run had another machine, other software or other undeclared files"
        )
    return f"identical in two runs ({took}){'' if result.stale else ', and as dvc.lock records'}"


def _hashes(output: OutputComparison) -> str:
    hashes = " / ".join(show(value) for value in dict.fromkeys(output.hashes))
    if output.recorded is None:
        return hashes
    if output.as_recorded:
        return f"{hashes} as recorded"
    same = output.recorded in output.hashes
    return f"{hashes} {'one is as recorded' if same else f'recorded {show(output.recorded)}'}"
