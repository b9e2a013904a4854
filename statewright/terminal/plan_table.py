"""The plan as people read it: one line for a stage, and a closing sentence."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from statewright.planning.plan import MAY, MUST, RESTORE, SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.scheduling.prediction import Prediction
from statewright.terminal.display import COLOURS
from statewright.terminal.words import (
    about,
    counted,
    joined,
    megabytes,
    one_line,
    padded,
    shortened,
    width_of,
)
from statewright.unchanged import up_to_date

MOST_NAMED = 3
"""Maximum number of changed functions or earlier stages of a list; `--json` lists all."""

MOST_UP_TO_DATE = 5
"""Maximum number of stages up to date that have a line of their own."""

MOST_BEFORE_RUN = 8
"""Maximum number of lines of the plan that `run` prints before it starts."""

MOST_CELLS = 8
"""Number of equal cells of a matrix above which a plan prints one line for all of them."""

NO_STAGES = "no stage is declared; `dvc stage add` or `statewright init PIPELINE` declares one"


def print_plan(
    plan: Plan,
    console: Console,
    prediction: Prediction | None = None,
    workers: int | str = 1,
    *,
    verbose: bool = False,
) -> None:
    """Print verdict, predicted time and first cause of each stage, and a summary.

    Parameters
    ----------
    verbose : bool
        Whether to print all causes, each stage that is up to date, and the critical path.
    """
    if not plan.decisions:
        console.print(NO_STAGES)
        return
    done = [a for a, decision in plan.decisions.items() if decision.verdict == SKIP]
    folded = not verbose and len(done) > MOST_UP_TO_DATE
    shown = [a for a in plan.decisions if not (folded and plan.decisions[a].verdict == SKIP)]
    labels = {a: a for a in shown} if verbose else _labels(plan, shown)
    _print_lines(plan, labels, console, verbose=verbose)
    if folded and plan.work:
        _print(console, Text(f"{counted(len(done), 'stage')} are up to date", style="dim"))
    if folded:
        for line in _software_notes(plan):
            _print(console, Text(line, style="dim"))
    _print(console, Text(closing_sentence(plan, prediction)))
    if verbose and prediction and _is_known(plan):
        cores = counted(workers, "core") if isinstance(workers, int) else f"{workers} cores"
        path = " > ".join(map(one_line, prediction.critical))
        console.print(f"critical path on {cores}: {path}", soft_wrap=True)


def print_short_plan(plan: Plan, console: Console, prediction: Prediction | None = None) -> None:
    """Print what will run and why, for the start of a run."""
    causes = {a: first_cause(plan.decisions[a]) for a in plan.work if _own(plan.decisions[a])}
    # A cause that all stages share is in the closing sentence.
    if len(set(causes.values())) > 1 and not _is_first_run(plan):
        shown = list(causes)[:MOST_BEFORE_RUN]
        _print_lines(plan, {a: a for a in shown}, console)
        if more := len(causes) - len(shown):
            _print(console, Text(f"and {counted(more, 'other stage')} (`statewright plan` lists all)", "dim"))
    _print(console, Text(closing_sentence(plan, prediction)))


def _print(console: Console, line: Text) -> None:
    for part in line.wrap(console, width_of(console)):
        part.rstrip()
        console.print(part, no_wrap=True, overflow="ignore", crop=False)


def _labels(plan: Plan, shown: list[str]) -> dict[str, str]:
    """Return the stages that get a line, and the name on it.

    Many cells of a matrix with the same verdict and cause share the line of the first one.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for address in shown:
        decision = plan.decisions[address]
        group, at, _ = address.partition("@")
        groups.setdefault((group, decision.verdict, first_cause(decision)) if at else (address,), []).append(
            address
        )
    labels = {}
    for cells in groups.values():
        if len(cells) > MOST_CELLS:
            labels[cells[0]] = f"{cells[0].partition('@')[0]}@... ({len(cells)} cells)"
        else:
            labels |= {address: address for address in cells}
    return {address: labels[address] for address in shown if address in labels}


def _print_lines(plan: Plan, labels: Mapping[str, str], console: Console, *, verbose: bool = False) -> None:
    width, shown = width_of(console), list(labels)
    # The line of many cells has no time: that of the first one would mislead.
    times = {a: about(plan.decisions[a].seconds) if labels[a] == a else "" for a in shown}
    names = min(max((cell_len(one_line(a)) for a in labels.values()), default=0), 2 * width // 5)
    verdicts = max((len(plan.decisions[a].words) for a in shown), default=0)
    longest = max(map(len, times.values()), default=0)
    for address in shown:
        decision = plan.decisions[address]
        line = Text(padded(one_line(labels[address]), names) + "  ")
        line.append(padded(decision.words, verdicts), style=COLOURS[decision.verdict])
        if longest:
            line.append(f"  {times[address]:>{longest}}")
        left = width - cell_len(line.plain) - 2
        causes = _fetched(decision) + (one_line(why(decision.reasons)) if verbose else first_cause(decision))
        if verbose and cell_len(causes) > left:
            indented = textwrap.wrap(causes, max(20, width - 4), break_long_words=True)
            line.append("".join(f"\n    {part}" for part in indented))
        else:
            line.append("  " + shortened(causes, max(0, left)))
            line.truncate(width)
        line.rstrip()
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _fetched(decision: Decision) -> str:
    """Return what a stage gets from the remote, as the beginning of its causes."""
    fetch = decision.fetch
    return f"{megabytes(fetch.bytes)} from '{one_line(fetch.remote)}'; " if fetch else ""


def first_cause(decision: Decision) -> str:
    """Return the first cause of a decision in words, and the number of others."""
    reasons = [reason for reason in decision.reasons if not reason.kind.startswith("passing")]
    own = _own(decision)
    if decision.verdict == SKIP or not reasons:
        return "; ".join(one_line(r.text) for r in reasons if r.kind == "environment")
    if not own:
        return _names("after ", [one_line(reason.subject) for reason in reasons])
    missing = [r for r in own if r.kind == "output" and r.now == "missing"]
    if len(missing) == len(own) > 1:
        return f"its {len(own)} outputs are missing"
    more = len(own) - 1
    # A stage that never ran has no other cause worth a word.
    extra = f" (and {more} more)" if more and own[0].kind != "new" else ""
    return one_line(own[0].brief) + extra


def _software_notes(plan: Plan) -> list[str]:
    """Return a line for each other software that made current outputs."""
    notes = [
        one_line(reason.text)
        for decision in plan.decisions.values()
        for reason in decision.reasons
        if decision.verdict == SKIP and reason.kind == "environment"
    ]
    return [f"{counted(notes.count(note), 'stage')} {note}" for note in dict.fromkeys(notes)]


def _own(decision: Decision) -> list[Reason]:
    """Return the causes of a stage itself, without those from earlier stages."""
    return [r for r in decision.reasons if r.kind != "upstream" and not r.kind.startswith("passing")]


def _names(before: str, names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return before + ", ".join(names[:MOST_NAMED]) + more


def why(reasons: Iterable[Reason]) -> str:
    """Return all reasons as one text."""
    reasons = list(reasons)
    texts = [reason.text for reason in reasons if reason.kind not in ("code", "upstream")]
    for kind in ("code", "upstream"):
        subjects = [reason.subject for reason in reasons if reason.kind == kind]
        if subjects:
            texts.append(Reason(kind, _names("", subjects)).text)
    return "; ".join(texts)


def closing_sentence(plan: Plan, prediction: Prediction | None = None) -> str:
    """Return how many stages will run, their only cause, and the expected time."""
    verdicts = [decision.verdict for decision in plan.decisions.values()]
    if not plan.work:
        return up_to_date(len(verdicts))
    parts: list[str] = []
    for verdict, words in ((MUST, "will run"), (MAY, "may run"), (RESTORE, "will be restored"), (SKIP, "")):
        if number := verdicts.count(verdict):
            noun = str(number) if parts else counted(number, "stage")
            parts.append(f"{noun} {words or _is(number) + ' up to date'}")
    details = [*_only_cause(plan), *_transfer(plan), *_expected_time(plan, prediction)]
    return joined(parts) + (f": {', '.join(details)}" if details else "")


def _transfer(plan: Plan) -> list[str]:
    """Return the bytes that a run fetches, and where their expected time comes from."""
    fetches = [d.fetch for d in plan.decisions.values() if d.fetch]
    if not fetches:
        return []
    size = megabytes(sum(fetch.bytes for fetch in fetches))
    return [f"{size} from the remote '{one_line(fetches[0].remote)}' at its {fetches[0].rate} rate"]


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _only_cause(plan: Plan) -> list[str]:
    if _is_first_run(plan):
        return ["nothing has been run here before"]
    causes = {first_cause(plan.decisions[a]) for a in plan.work if _own(plan.decisions[a])}
    return [shortened(text, 60) for text in causes] if len(causes) == 1 else []


def _is_first_run(plan: Plan) -> bool:
    """Return whether no stage has an output here; tracked data does not count."""
    stages = [d for a, d in plan.decisions.items() if not a.endswith(".dvc")]
    return len(stages) > 1 and all(map(_never_ran, stages))


def _never_ran(decision: Decision) -> bool:
    return decision.verdict in (MUST, MAY) and any(
        r.kind == "new" or (r.kind == "output" and r.now in ("missing", "not in cache"))
        for r in decision.reasons
    )


def _expected_time(plan: Plan, prediction: Prediction | None) -> list[str]:
    """Return the predicted total, if a stage of the plan has a known duration."""
    if prediction is None or not _is_known(plan):
        return []
    assumed = len(prediction.assumed)
    note = f" ({assumed} assumed)" if assumed else ""
    time = about((prediction.low, prediction.high))
    return [f"{'less than' + time[1:] if time[0] == '<' else 'about ' + time}{note}"]


def _is_known(plan: Plan) -> bool:
    return any(plan.decisions[address].seconds for address in plan.work)
