"""What a person reads of a trace, as trees, and of a verification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from statewright.lineage.provenance import Trace
from statewright.lineage.records import PastRun
from statewright.lineage.walk import Dependent, Source, Step
from statewright.planning.reasons import show
from statewright.terminal.display import clock
from statewright.verify.reproduction import OutputComparison, Verification

MOST_NAMED = 3
"""How many files of a list a line names; `--json` has them all."""

MOST_DEEP = 12
"""How many stages one below the other a tree shows; `--json` has them all."""

KEPT: Mapping[str, str] = {
    "git": "in git",
    "dvc": "tracked by {keeper}",
    "outside": "outside of the repository",
    "unversioned": "in no version control",
}


def print_trace(found: Trace, console: Console) -> None:
    """Print what it is, how it was made, the tree of what it was made from and of what depends on it."""
    subject = found.subject
    title = [subject.stage or subject.path or subject.name, *([show(found.version)] if found.version else [])]
    console.print(Text("  ".join(title), style="bold").append(f"  {found.standing}", style="not bold"))
    lines: list[tuple[str, str | Text]] = [
        (key.partition(":")[2], f"{value:g}") for key, value in subject.metrics.items()
    ]
    for made in found.steps:
        lines += _made_by(made) if len(found.steps) == 1 else [("made by", f"{made.stage}  {_short(made)}")]
    if found.commit:
        dirty = any(made.run and made.run.dirty for made in found.steps)
        lines.append(("commit", found.commit[:12] + (", with changes not committed" if dirty else "")))
    lines += [("note", note) for note in found.notes]
    if found.command:
        lines.append(("again", Text(found.command, style="green")))
    _print_lines(lines, console)
    if found.steps:
        console.print(_back(found.steps))
    console.print(_forward(found) if found.dependents else Text("nothing depends on it", style="dim"))


def _print_lines(lines: Sequence[tuple[str, str | Text]], console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in lines:
        table.add_row(Text(f"  {name}", style="dim"), value if isinstance(value, Text) else Text(value))
    console.print(table)


def _made_by(made: Step) -> list[tuple[str, str | Text]]:
    lines: list[tuple[str, str | Text]] = [("made by", f"{made.stage}: {'; '.join(made.cmd)}")]
    if made.run is not None:
        lines.append(("run", _run(made.run)))
        if made.run.parent_id:
            lines.append(("part of", f"{made.run.parent_id}{_flow(made.run)}"))
        if reason := made.run.tags.get("statewright.reason"):
            lines.append(("because", show_list(reason.split("; "), "; ")))
    elif made.known:
        lines.append(("run", "none in MLflow wrote this version: the rest is from dvc.lock"))
    else:
        lines.append(("run", "no record tells how this version was made"))
    if made.restored is not None:
        lines.append(("restored", f"from the run cache by {_run(made.restored)}"))
    lines += [("params", text) for text in _grouped(made.params)]
    if made.code:
        modules = dict.fromkeys(name.partition(":")[0] for name in made.code)
        lines.append(("code", f"{len(made.code)} definitions of {show_list(list(modules))}"))
    return lines


def _grouped(params: Mapping[str, Any]) -> list[str]:
    """Params that share all but the last part of their keys, on one line."""
    groups: dict[str, list[str]] = {}
    for key, value in params.items():
        group, _, name = key.rpartition(".")
        groups.setdefault(group, []).append(f"{name} = {value}")
    return [f"{group}: {', '.join(items)}" if group else ", ".join(items) for group, items in groups.items()]


def _run(run: PastRun) -> str:
    when = datetime.fromtimestamp(run.started).strftime("%Y-%m-%d %H:%M:%S") if run.started else ""
    took = f"took {clock(run.seconds)}" if run.seconds is not None else ""
    return ", ".join(filter(None, (run.run_id, when, took, run.link)))


def _flow(run: PastRun) -> str:
    flow = run.tags.get("prefect.link") or run.tags.get("prefect.flow_run")
    return f", Prefect {flow}" if flow else ""


def show_list(names: Sequence[str], mark: str = ", ") -> str:
    """The first few of several names, and how many more there are."""
    more = f"{mark}and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return mark.join(names[:MOST_NAMED]) + more


def _back(steps: Sequence[Step]) -> Tree:
    """The tree of what the steps were made from; a step that comes again is only named."""
    root = Tree(Text("made from", style="bold"))
    shown: set[int] = set()
    for made in steps:
        _grow_back(root if len(steps) == 1 else root.add(Text(made.stage, style="cyan")), made, shown, 1)
    return root


def _grow_back(branch: Tree, made: Step, shown: set[int], depth: int) -> None:
    shown.add(id(made))
    for source in made.sources:
        branch.add(Text(_source(source)))
    for earlier, paths in made.before:
        label = Text(earlier.stage, style="cyan")
        files = [f"{path} {show(made.inputs.get(path))}" for path in paths]
        label.append(f"  {show_list(files)}", style="none")
        label.append(f"  {_short(earlier)}", style="dim")
        again = id(earlier) in shown and (earlier.before or earlier.sources)
        if again:
            label.append(" (its inputs are above)", style="dim")
        twig = branch.add(label)
        if not again and depth < MOST_DEEP:
            _grow_back(twig, earlier, shown, depth + 1)
        elif not again and (earlier.before or earlier.sources):
            twig.add(Text("... (--json has the whole chain)", style="dim"))


def _short(made: Step) -> str:
    if made.run is None:
        return "no run in MLflow" if made.known else "no record of this version"
    return f"run {made.run.run_id[:8]}"


def _source(source: Source) -> str:
    return f"{source.path} {show(source.hash)}  {KEPT[source.kind].format(keeper=source.keeper)}"


def _forward(found: Trace) -> Tree:
    """The tree of the stages that depend on the subject, each below the first that it comes after."""
    root = Tree(Text("needed by", style="bold"))
    places: dict[str, tuple[Tree, int]] = {}
    hidden = 0
    for dependent in found.dependents:
        above = next((name for name in dependent.after if name in places), None)
        if dependent.after and above is None:
            hidden += 1
            continue
        branch, depth = places[above] if above else (root, 0)
        if depth >= MOST_DEEP:
            hidden += 1
        else:
            places[dependent.stage] = branch.add(_needs(dependent, above)), depth + 1
    if hidden:
        root.add(Text(f"and {hidden} stages after those (--json has them all)", style="dim"))
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
    """What a stage reads, with the definitions of one module put together."""
    modules = [name.partition(":")[0] for name in dependent.reads if ":" in name and "://" not in name]
    counted = [f"{modules.count(name)} definitions of {name}" for name in dict.fromkeys(modules)]
    return [*counted, *(name for name in dependent.reads if ":" not in name or "://" in name)]


def print_verification(result: Verification, console: Console) -> None:
    """Print the verdict on a stage, and for each output its hashes and where they part."""
    style = "green" if result.identical else "bold red"
    console.print(Text(f"{result.stage}: {_verdict(result)}", style=style))
    for output in result.outputs:
        console.print(Text(f"  {output.path}  {_hashes(output)}", style="" if output.as_recorded else "red"))
        for difference in output.differences:
            console.print(Text("      " + ": ".join(filter(None, (difference.where, difference.text)))))
    if result.stale:
        console.print(Text(f"  not compared with dvc.lock: {show_list(result.stale)}", style="dim"))


def _verdict(result: Verification) -> str:
    took = " and ".join(clock(seconds) for seconds in result.seconds)
    unlike = [output.path for output in result.outputs if not output.repeatable]
    if unlike:
        return (
            f"not repeatable: {len(unlike)} of {len(result.outputs)} outputs differ between two runs ({took})"
        )
    if not result.identical:
        return f"repeatable here, but not what dvc.lock records ({took}): it was made elsewhere or otherwise"
    return f"identical in two runs ({took}){'' if result.stale else ', and as dvc.lock records'}"


def _hashes(output: OutputComparison) -> str:
    found = " / ".join(show(value) for value in dict.fromkeys(output.hashes))
    if output.recorded is None:
        return found
    if output.as_recorded:
        return f"{found} as recorded"
    same = output.recorded in output.hashes
    return f"{found} {'one is as recorded' if same else f'recorded {show(output.recorded)}'}"
