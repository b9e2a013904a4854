"""Gantt chart of a schedule: text for a terminal, SVG for a page.

The chart has one row for each task, ordered by start. The critical sequence (the tasks to shorten
first) is solid and the other tasks are lighter. Tasks with an assumed duration are dotted or dashed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statewright.files import replacing
from statewright.scheduling.hosts import Placement
from statewright.scheduling.prediction import Prediction
from statewright.scheduling.schedule import Problem, Schedule, critical_sequence
from statewright.terminal.words import clock, counted

CRITICAL, FREE, ASSUMED = "critical", "free", "assumed"

_CELLS: Mapping[str, tuple[str, str]] = {
    CRITICAL: ("█", "red"),
    FREE: ("▓", "blue"),
    ASSUMED: ("░", "magenta"),
}

ROW, HEAD, FOOT, CHART, CHARACTER = 24, 44, 54, 720, 7.2
"""Pixels of the SVG: height of a row, header and footer; width of the time axis and a character."""

_STYLE = """
  text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328 } .title { font-weight: bold }
  .page { fill: #ffffff } .grid { stroke: #d0d7de } .end { stroke: #57606a }
  .note { fill: #57606a; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
  .critical { fill: #c2410c } .critical.assumed { fill: #c2410c40; stroke: #c2410c }
  .free { fill: #3b82c4 } .free.assumed { fill: #3b82c440; stroke: #3b82c4 }
  .assumed { stroke-width: 1.5; stroke-dasharray: 4 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .grid { stroke: #30363d } .end { stroke: #9198a1 }
    .note { fill: #9198a1; stroke: #0d1117 }
    .critical { fill: #f97316 } .critical.assumed { fill: #f9731640; stroke: #f97316 }
    .free { fill: #58a6ff } .free.assumed { fill: #58a6ff40; stroke: #58a6ff }
  }
"""


@dataclass(frozen=True)
class Chart:
    """Schedule to draw, with its title and the kinds of its tasks.

    Parameters
    ----------
    critical, assumed : collection of str
        Tasks of the critical sequence, and tasks with an assumed duration.
    label : callable
        Function from a time to its text.
    """

    schedule: Schedule
    title: str = ""
    critical: Collection[str] = ()
    assumed: Collection[str] = ()
    label: Callable[[float], str] = "{:g}".format

    @property
    def order(self) -> list[str]:
        """Tasks from top to bottom: by start, then by finish."""
        times = self.schedule
        return sorted(times.start, key=lambda task: (times.start[task], times.finish[task]))


def plan_chart(prediction: Prediction, workers: int) -> Chart:
    """Return the chart of a plan, with the predicted makespan as title."""
    schedule = prediction.schedule
    title = f"{clock(schedule.makespan)} on {counted(workers, 'core')}"
    if prediction.low < prediction.high:
        title += f" ({clock(prediction.low)} at best, {clock(prediction.high)} at worst)"
    if not schedule.optimal:
        title += f"; no order takes less than {clock(schedule.lower_bound)}"
    if prediction.assumed:
        title += f"; the duration of {counted(len(prediction.assumed), 'stage')} is assumed"
    return Chart(schedule, title, prediction.critical, prediction.assumed, clock)


def problem_chart(problem: Problem, schedule: Schedule, name: str) -> Chart:
    """Return the chart of a problem from a file, with its makespan as title."""
    proven = (
        "proven optimal" if schedule.optimal else f"not proven optimal: at least {schedule.lower_bound:g}"
    )
    title = f"{name}: makespan {schedule.makespan:g}, {proven}"
    return Chart(schedule, title, critical_sequence(problem, schedule))


def placement_chart(placement: Placement, hosts: int, assumed: Collection[str] = ()) -> Chart:
    """Return the chart of stages on hosts; the title gives the makespan."""
    times = placement.schedule
    fetched = f"{placement.moved / 1e6:.1f} MB in {clock(sum(placement.transfer.values()))}"
    title = (
        f"{clock(times.makespan)} on {counted(hosts, 'host')}; the hosts fetch {fetched}; "
        f"no schedule takes less than {clock(times.lower_bound)}"
    )
    if assumed:
        title += f"; the duration of {counted(len(assumed), 'stage')} is assumed"
    return Chart(times, title, (), assumed, clock)


def show(chart: Chart, console: Console) -> None:
    """Print the chart, its legend and its title."""
    console.print(draw_text(chart, console.width))
    console.print(legend(chart), style="dim", highlight=False)
    console.print(chart.title, highlight=False, markup=False, soft_wrap=True)


def save_svg(chart: Chart, path: Path) -> None:
    """Write the chart as SVG, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(draw_svg(chart), encoding="utf-8")


def draw_text(chart: Chart, width: int) -> Table:
    """Return the chart for a terminal of `width` columns."""
    schedule = chart.schedule
    times = {task: _times(chart, task) for task in chart.order}
    taken = max(map(len, [*times, "task"])) + max(map(len, [*times.values(), "start to finish"])) + 4
    columns = max(20, min(width, 160) - taken)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=None)
    table.add_column("task", no_wrap=True)
    table.add_column("start to finish", no_wrap=True, justify="right")
    table.add_column(_axis(chart, columns), no_wrap=True, width=columns)
    for task, text in times.items():
        first, last = _cells(schedule.start[task], schedule.finish[task], schedule.makespan, columns)
        kind = ASSUMED if task in chart.assumed else CRITICAL if task in chart.critical else FREE
        character, colour = _CELLS[kind]
        if task in chart.critical:
            colour = _CELLS[CRITICAL][1]
        bar = Text(" " * first + (character * (last - first) or "|"), style=colour)
        table.add_row(Text(task), Text(text, style="dim"), bar)
    return table


def legend(chart: Chart) -> str:
    """Return the meaning of each character that occurs in the chart."""
    kinds = [(CRITICAL, "critical sequence"), (FREE, "others"), (ASSUMED, "assumed duration")]
    present = {
        CRITICAL: set(chart.critical) - set(chart.assumed),
        FREE: set(chart.schedule.start) - set(chart.critical) - set(chart.assumed),
        ASSUMED: set(chart.assumed),
    }
    return "  ".join(f"{_CELLS[kind][0]} {text}" for kind, text in kinds if present[kind])


def _times(chart: Chart, task: str) -> str:
    return f"{chart.label(chart.schedule.start[task])} to {chart.label(chart.schedule.finish[task])}"


def _cells(start: float, finish: float, makespan: float, columns: int) -> tuple[int, int]:
    """Return the first cell of a bar and the cell after its last.

    A task that takes time has at least one cell.
    """
    if not makespan:
        return 0, 0
    first = min(round(start / makespan * columns), columns - 1)
    last = round(finish / makespan * columns)
    return first, max(last, first + 1) if finish > start else first


def _axis(chart: Chart, columns: int) -> Text:
    """Return the header of the time axis."""
    cells = [" "] * columns
    makespan = chart.schedule.makespan
    for time in ticks(makespan, most=max(2, columns // 12)):
        text = chart.label(time)
        at = round(time / makespan * columns) if makespan else 0
        if at + len(text) <= columns and all(cell == " " for cell in cells[max(0, at - 1) : at + len(text)]):
            cells[at : at + len(text)] = text
    return Text("".join(cells), style="dim")


def ticks(makespan: float, most: int = 8) -> list[float]:
    """Return round times from 0 to `makespan` in at most `most` equal steps.

    A step is 1, 2 or 5 times a power of ten; from a minute on, it is whole minutes, hours or days.
    """
    if makespan <= 0:
        return [0.0]
    tens = [factor * 10.0**power for power in range(-3, 12) for factor in (1, 2, 5)]
    clock = [60.0 * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)]
    steps = [step for step in tens if step < 60] + clock + [1440.0 * 60 * step for step in tens if step >= 1]
    step = next((step for step in sorted(steps) if makespan / step <= most), makespan)
    return [k * step for k in range(int(makespan / step + 1e-9) + 1)]


def draw_svg(chart: Chart) -> str:
    """Return the chart as SVG, with colours for light and dark backgrounds."""
    schedule, order = chart.schedule, chart.order
    left = round(max(map(len, order), default=0) * CHARACTER) + 24
    height = HEAD + ROW * len(order) + FOOT
    width = max(left + CHART + 90, round(len(chart.title) * CHARACTER * 1.05) + 24)
    scale = CHART / (schedule.makespan or 1)
    bottom = HEAD + ROW * len(order)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(chart.title, quote=True)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="title" x="12" y="24">{escape(chart.title)}</text>',
    ]
    for time in ticks(schedule.makespan):
        x = left + time * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{HEAD - 6}" x2="{x:.1f}" y2="{bottom + 4}"/>')
        label = escape(chart.label(time))
        parts.append(f'<text class="note" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>')
    end = left + schedule.makespan * scale
    parts.append(f'<line class="end" x1="{end:.1f}" y1="{HEAD - 6}" x2="{end:.1f}" y2="{bottom + 4}"/>')
    parts += [_row(chart, task, HEAD + ROW * k, left, scale) for k, task in enumerate(order)]
    parts += [*_svg_legend(chart, left, bottom + 40), "</svg>"]
    return "\n".join(parts) + "\n"


def _row(chart: Chart, task: str, top: float, left: float, scale: float) -> str:
    start, finish = chart.schedule.start[task], chart.schedule.finish[task]
    x, length = left + start * scale, max((finish - start) * scale, 1.5)
    duration = chart.label(finish - start)
    middle = top + ROW * 0.66
    box = f'x="{x:.1f}" y="{top + 4}" width="{length:.1f}" height="{ROW - 8}" rx="3"'
    return (
        f"<g><title>{escape(task)}: {escape(_times(chart, task))}</title>"
        f'<text x="{left - 10}" y="{middle:.1f}" text-anchor="end">{escape(task)}</text>'
        f'<rect class="{_kind(chart, task)}" {box}/>'
        f'<text class="note" x="{x + length + 6:.1f}" y="{middle:.1f}">{escape(duration)}</text></g>'
    )


def _kind(chart: Chart, task: str) -> str:
    kind = CRITICAL if task in chart.critical else FREE
    return f"{kind} {ASSUMED}" if task in chart.assumed else kind


def _svg_legend(chart: Chart, left: float, y: float) -> Sequence[str]:
    kinds = sorted({_kind(chart, task) for task in chart.order})
    names = {
        "critical": "critical sequence",
        "critical assumed": "critical, assumed duration",
        "free": "others",
        "free assumed": "assumed duration",
    }
    parts, x = [], left
    for kind in kinds if kinds != [FREE] else ():  # bars of one kind need no legend
        parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y - 10}" width="14" height="12" rx="3"/>')
        parts.append(f'<text class="note" x="{x + 20:.1f}" y="{y}">{names[kind]}</text>')
        x += 44 + len(names[kind]) * CHARACTER
    return parts
