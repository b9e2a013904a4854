"""The end of a study: what was found, and the best params as a patch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from statewright import parameters
from statewright.files import replacing
from statewright.masking import mask_value
from statewright.terminal.words import clock, counted, joined, terminal
from statewright.tuning.space_file import changes_of
from statewright.tuning.study import DONE, FAILED, PRUNED, REPEATED, Candidate, Study

OK, FAILURE = 0, 1


@dataclass(frozen=True)
class BestPatch:
    """The change of the params files that gives the best params.

    Parameters
    ----------
    reason : str
        What the change gains, in a sentence.
    texts : dict of str to str
        Params file -> its new text.
    diff : str
        Unified diff; comments of the files stay.
    changes : tuple of str
        A line for each param.
    """

    reason: str
    texts: Mapping[str, str]
    diff: str
    changes: tuple[str, ...]


def patch_path(root: Path, name: str) -> Path:
    """Return the path of the patch of a study."""
    return root / ".statewright" / "tune" / f"{name}.patch"


def best_patch(root: Path, study: Study) -> BestPatch | None:
    """Return the change to the best params; None if there is none.

    Raises
    ------
    WorkflowError
        If a params file no longer has one of the keys.
    """
    best = study.best
    if best is None:
        return None
    texts: dict[str, str] = {}
    lines: list[str] = []
    diffs: list[str] = []
    for file, changes in changes_of(best.config).items():
        before = (root / file).read_bytes().decode("utf-8")
        patches, after = parameters.patched(root / file, [(key, value) for key, value in changes])
        if not patches:
            continue
        texts[file] = after
        lines += [f"{file}: {p.key} {_shown(p.key, p.was)} -> {_shown(p.key, p.now)}" for p in patches]
        diffs += difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{file}", f"b/{file}"
        )
    if not texts:
        return None
    reason = best_sentence(study, best)
    return BestPatch(reason, texts, _with_line_ends(diffs), tuple(lines))


def _with_line_ends(lines: Sequence[str]) -> str:
    """Return the text of a diff, marking a last line without a line end as git does."""
    ends = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + ends for line in lines)


def _shown(key: str, value: object) -> object:
    return mask_value(key, value)


def best_sentence(study: Study, best: Candidate) -> str:
    """Return what the best params reach, and what they gain over the defaults."""
    runs = "a single run"
    if study.seed_param and not study.is_noisy:
        runs = "other seeds give the same"
    if not best.is_single_run:
        runs = f"the mean of {len(best.values)} runs, {min(best.values):.6g} to {max(best.values):.6g}"
    text = f"{study.metric} is {best.value:.6g} ({runs}) in trial {best.number}"
    default = study.default
    if default is None:
        return f"{text}; the defaults failed"
    if default.number == best.number:
        return f"{text}: that of the defaults"
    gain = study.sign * (default.value - best.value)
    share = f", {gain / abs(default.value):.1%}" if default.value else ""
    return f"{text}, {gain:.6g} better than the defaults ({default.value:.6g}{share})"


def print_end(root: Path, study: Study, reason: str, apply: bool, lines: Sequence[str]) -> int:
    """Print what a study found, write its patch, and return the exit status."""
    console = terminal()
    _say(console, f"study {study.name}: {reason}; {_counts(study)}")
    best = study.best
    if best is None:
        failed = next((trial for trial in reversed(study.trials) if trial.status == FAILED), None)
        if failed:
            _say(console, f"no trial succeeded; trial {failed.number}: {failed.reason}")
        _say(console, f"fix the cause and start again: `statewright run {study.target}` shows it")
        return FAILURE
    _say(console, f"best: {best_sentence(study, best)}")
    for line in lines:
        _say(console, line)
    patch = best_patch(root, study)
    if patch is None:
        _say(console, "the params stand as they are: no patch")
        return OK
    path = patch_path(root, study.name)
    with replacing(path) as temporary:
        temporary.write_text(
            f"{_subject(study)}: {patch.reason}\n\n{patch.diff}", encoding="utf-8", newline=""
        )
    if apply:
        for file, text in patch.texts.items():
            parameters.write(root / file, text)
        for line in patch.changes:
            _say(console, f"written to {line}")
        _say(console, f"`statewright run {study.target}` brings the stages up to date, from the cache")
        return OK
    for line in patch.changes:
        _say(console, f"  {line}")
    _say(
        console,
        f"{joined(list(patch.texts))} not changed; `statewright tune --name {study.name} --resume --apply` "
        f"writes the patch {path.relative_to(root)}",
    )
    return OK


def _subject(study: Study) -> str:
    return f"Best params of {study.target}"


def _counts(study: Study) -> str:
    """Return the number of trials by what became of them."""
    by_status = {status: sum(t.status == status for t in study.trials) for status in (DONE, FAILED, PRUNED)}
    parts = [counted(study.evaluations, "evaluation")]
    parts += [f"{by_status[status]} {status}" for status in (FAILED, PRUNED) if by_status[status]]
    parts.append(f"{sum(t.status == REPEATED for t in study.trials)} answered from the journal")
    seconds = sum(trial.seconds for trial in study.trials)
    return f"{', '.join(parts)}, {clock(seconds)} of trials"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
