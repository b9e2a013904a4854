"""The graph to draw: a node for each stage or matrix, with states and times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from statewright.planning.plan import MAY, MUST, RESTORE, SKIP, Plan
from statewright.terminal.explain import causes
from statewright.terminal.words import about, counted, one_line
from statewright.workflow import Workflow

FAILED = "failed"
STATES: Mapping[str, str] = {
    FAILED: "failed last time",
    MUST: "will run",
    MAY: "may run",
    RESTORE: "from the cache",
    SKIP: "up to date",
}
"""State -> words, the most urgent first."""

Range = tuple[float, float]


@dataclass(frozen=True)
class CauseLine:
    """One reason of a stage, and the earlier stages that lead to it."""

    kind: str
    text: str
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One stage.

    Parameters
    ----------
    label : str
        Address as DVC prints it in the user's folder.
    state : str
        One of the keys of `STATES`.
    seconds : (float, float), optional
        Range of the expected duration of its command.
    """

    address: str
    label: str
    state: str
    seconds: Range | None = None
    desc: str = ""
    causes: tuple[CauseLine, ...] = ()
    outs: tuple[str, ...] = ()

    @property
    def time(self) -> str:
        """The expected duration in words."""
        return about(self.seconds)


@dataclass(frozen=True)
class Node:
    """A stage, or the cells of a matrix."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def state(self) -> str:
        """The most urgent state of its cells."""
        return next(state for state in STATES if any(cell.state == state for cell in self.cells))

    @property
    def time(self) -> str:
        """Sum of the expected durations of its cells, in words."""
        known = [cell.seconds for cell in self.cells if cell.seconds]
        return about((sum(low for low, _ in known), sum(high for _, high in known))) if known else ""

    @property
    def status(self) -> str:
        """State and time in words: ``will run, 2-5 s``."""
        if len(self.cells) == 1:
            text = STATES[self.state]
        else:
            counts = {state: sum(cell.state == state for cell in self.cells) for state in STATES}
            parts = [f"{number} {STATES[state]}" for state, number in counts.items() if number]
            words = STATES[self.state] if len(parts) == 1 else ", ".join(parts)
            text = f"{len(self.cells)} cells: {words}"
        return f"{text}, {self.time}" if self.time else text


@dataclass(frozen=True)
class StageGraph:
    """Nodes by name, and the pairs (earlier, later) of names."""

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]

    @property
    def cells(self) -> dict[str, Cell]:
        """Stages by address."""
        return {cell.address: cell for node in self.nodes.values() for cell in node.cells}

    @property
    def summary(self) -> str:
        """Numbers of stages by state: ``12 stages: 2 will run, 10 up to date``."""
        cells = list(self.cells.values())
        counts = {state: sum(cell.state == state for cell in cells) for state in STATES}
        parts = ", ".join(f"{number} {STATES[state]}" for state, number in counts.items() if number)
        return f"{counted(len(cells), 'stage')}: {parts}" if cells else "no stages are declared"


def stage_graph(
    workflow: Workflow, plan: Plan, seconds: Mapping[str, Range], failed: Collection[str] = ()
) -> StageGraph:
    """Return the graph of the stages of a plan.

    Parameters
    ----------
    seconds : mapping of str to (float, float)
        Address -> range of the expected duration.
    failed : collection of str
        Stages that failed in the last run.
    """
    cells = {address: _cell(workflow, plan, address, seconds, failed) for address in plan.decisions}
    edges = [(up, address) for address in cells for up in workflow.upstream[address] if up in cells]
    names = _grouped({address: workflow.stages[address].group for address in cells}, edges)
    nodes: dict[str, list[Cell]] = {}
    for address, name in names.items():
        nodes.setdefault(name, []).append(cells[address])
    pairs = dict.fromkeys((names[a], names[b]) for a, b in edges if names[a] != names[b])
    return StageGraph({name: Node(name, tuple(group)) for name, group in nodes.items()}, tuple(pairs))


def _cell(
    workflow: Workflow, plan: Plan, address: str, seconds: Mapping[str, Range], failed: Collection[str]
) -> Cell:
    decision, stage = plan.decisions[address], workflow.stages[address]
    lines = tuple(
        CauseLine(cause.reason.kind, cause.reason.text, cause.origins)
        for cause in causes(workflow, plan, address)
        if not cause.reason.kind.startswith("passing")
    )
    state = FAILED if address in failed and decision.verdict in (MUST, MAY) else decision.verdict
    return Cell(
        address,
        plan.label(address),
        state,
        decision.seconds or seconds.get(address),
        one_line(stage.desc),
        lines,
        tuple(out.path for out in stage.outs),
    )


def _grouped(groups: Mapping[str, str], edges: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the node of each stage: its group, unless that forms a cycle.

    A cell that needs another cell through a stage outside of the matrix would.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(groups.values())
    graph.add_edges_from((groups[a], groups[b]) for a, b in edges if groups[a] != groups[b])
    cyclic = {name for part in nx.strongly_connected_components(graph) if len(part) > 1 for name in part}
    sizes: dict[str, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    alone = {group for group, size in sizes.items() if size == 1}
    return {a: a if group in cyclic or group in alone else group for a, group in groups.items()}
