"""The page of a study: an HTML file that loads nothing, and SVG files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from statewright.files import replacing
from statewright.masking import mask_value
from statewright.terminal.words import clock, counted
from statewright.tuning.page.history import draw_history
from statewright.tuning.page.importance import draw_importance, importances
from statewright.tuning.page.parallel import draw_parallel
from statewright.tuning.page.svg import number
from statewright.tuning.report import best_sentence
from statewright.tuning.study import AGAIN, DEFAULT, FAILED, PRUNED, Study, Trial

WIDE, NARROW = 860.0, 350.0
"""Widths of the two drawings of a plot, in pixels; the page shows the one that fits."""
NUMBERS = ("trial", "value")
"""Columns of numbers, aligned to the right."""
MOST_ROWS = 300
"""Maximum number of trials in the table; the journal has all."""


@dataclass(frozen=True)
class PageFiles:
    """Paths of the page and of its plots."""

    page: Path
    plots: tuple[Path, ...]


def page_path(root: Path, name: str) -> Path:
    """Return the path of the page of a study."""
    return root / ".statewright" / "tune" / f"{name}.html"


def write_page(root: Path, study: Study) -> PageFiles:
    """Write the page and the plots of a study."""
    found = importances(study)
    drawings: dict[str, Callable[[float], str]] = {
        "history": lambda width: draw_history(study, width),
        "importance": lambda width: draw_importance(study, found, width),
        "parallel": lambda width: draw_parallel(study, width),
    }
    path = page_path(root, study.name)
    folder = path.with_suffix("") / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for name, draw in drawings.items():
        plots.append(folder / f"{name}.svg")
        with replacing(plots[-1]) as temporary:
            temporary.write_text(draw(WIDE), encoding="utf-8")
    template = Template(Path(__file__).with_name("template.html").read_text(encoding="utf-8"))
    figures = {name: _figure(draw) for name, draw in drawings.items()}
    with replacing(path) as temporary:
        temporary.write_text(template.substitute(_words(study), **figures), encoding="utf-8")
    return PageFiles(path, tuple(plots))


def _figure(draw: Callable[[float], str]) -> str:
    return f'<figure><div class="wide">{draw(WIDE)}</div><div class="narrow">{draw(NARROW)}</div></figure>'


def _words(study: Study) -> dict[str, str]:
    better = "less" if study.sign > 0 else "more"
    best = study.best
    subtitle = (
        f"{study.metric}: {better} is better. Sampler {study.sampler}, seed {study.seed}; "
        f"{counted(study.evaluations, 'evaluation')} of {study.budget}, "
        f"{study.repeated} answered from the journal; "
        f"{clock(sum(trial.seconds for trial in study.trials))} of trials."
    )
    history_note = (
        "Squares repeat a configuration with another seed: the reported best is the mean of such runs."
        if any(trial.kind == AGAIN for trial in study.trials)
        else "Each value is that of one run: the best of many noisy values is too good by chance."
    )
    return {
        "title": escape(f"Study {study.name} of {study.target}"),
        "subtitle": escape(subtitle),
        "best": escape(f"Best: {best_sentence(study, best)}." if best else "No trial succeeded."),
        "history_note": escape(history_note),
        "params": _params_table(study),
        "trials": _trials_table(study),
    }


def _params_table(study: Study) -> str:
    best = study.best
    if best is None:
        return ""
    first = next((trial.config for trial in study.trials if trial.kind == DEFAULT), {})
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_cell(name, first.get(name))}</td>"
        f"<td>{_cell(name, best.config.get(name))}</td></tr>"
        for name in study.space
    )
    head = "<tr><th>param</th><th>default</th><th>best</th></tr>"
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


def _cell(name: str, value: object) -> str:
    value = mask_value(name, value)
    return escape("" if value is None else number(value) if isinstance(value, float) else str(value))


def _trials_table(study: Study) -> str:
    names = list(study.space)
    short = [name.rpartition(".")[2] for name in names]
    columns = ("trial", "status", "value", *short, "experiment", "reason")
    head = "".join(f"<th{_aligned(name)}>{escape(name)}</th>" for name in columns)
    rows = "".join(_trial_row(trial, names, columns) for trial in study.trials[-MOST_ROWS:])
    failed = sum(trial.status == FAILED for trial in study.trials)
    pruned = sum(trial.status == PRUNED for trial in study.trials)
    note = f"{counted(len(study.trials), 'trial')}: {failed} failed, {pruned} pruned"
    if len(study.trials) > MOST_ROWS:
        note += f"; the last {MOST_ROWS}"
    return (
        f'<details open><summary>{note}</summary><div class="scroll"><table class="rows">'
        f"<thead><tr>{head}</tr></thead>{rows}</table></div></details>"
    )


def _trial_row(trial: Trial, names: list[str], columns: Sequence[str]) -> str:
    value = "" if trial.value is None else number(trial.value)
    params = [_cell(name, trial.config.get(name)) for name in names]
    experiment, reason = escape(trial.experiment or ""), escape(trial.reason)
    cells = (str(trial.number), escape(_state(trial)), value, *params, experiment, reason)
    # On a phone a row is a block, and each cell shows the name of its column.
    row = "".join(
        f'<td{_aligned(column)} data-column="{escape(column)}">{cell}</td>'
        for column, cell in zip(columns, cells, strict=True)
    )
    return f"<tr>{row}</tr>"


def _aligned(column: str) -> str:
    return ' class="number"' if column in NUMBERS else ""


def _state(trial: Trial) -> str:
    if trial.kind == DEFAULT:
        return f"{trial.status}, defaults"
    return f"{trial.status}, seed {trial.seed}" if trial.kind == AGAIN else trial.status
