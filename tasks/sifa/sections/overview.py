"""Opening of the report: which parts pay, on which sets, and against what."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pandas as pd

from tasks.report.blocks import Figure, Picture, joined, plural
from tasks.report.drawing import svg
from tasks.sifa.contracts.evaluate import Evaluation
from tasks.sifa.sections.figures import intervals as draw
from tasks.sifa.sections.figures import verdicts
from tasks.sifa.sections.parts import QUESTIONS
from tasks.sifa.sections.robustness import attack_figure
from tasks.sifa.sections.words import change, set_name, variant_name

WORDS = {"loss": "pays", "gain": "costs", "not shown": "not shown"}
"""Verdict on the removal of a part -> what the part does."""


def sentences(evaluate: Evaluation) -> tuple[str, str, str]:
    """Return what the page asks, which parts pay, and how the whole compares."""
    pays: list[str] = []
    hurts: list[str] = []
    for question in QUESTIONS:
        counts = _verdicts(evaluate, question.variant)
        if counts:
            pays.append(f"{question.part} {'' if pays else 'helps '}on {counts['loss']} of {counts.total()}")
        if counts["gain"]:
            hurts.append(question.part)
    parts = joined(pays) if pays else "no part was removed"
    also = f"; {joined(hurts)} also {'hurts' if len(hurts) == 1 else 'hurt'} on some" if hurts else ""
    against = Counter(
        scores.gains[scores.strongest].verdict for scores in evaluate.sets.values() if scores.strongest
    )
    return (
        f"This page tests a neural network with five special parts: it removes each part in turn and "
        f"compares the whole with ordinary models on {plural(len(evaluate.sets), 'data set')}.",
        f"By the sets where the score falls without it, {parts}{also}.",
        f"Beside the best ordinary model, the whole network is ahead on {against['gain']}, behind on "
        f"{against['loss']}, and not clearly different on {against['not shown']} of "
        f"{plural(against.total(), 'set')}.",
    )


def figures(evaluate: Evaluation) -> tuple[Figure, ...]:
    """Return the figures of the parts, of the whole, and of attacks."""
    drawn = (_parts(evaluate), _whole(evaluate), attack_figure(evaluate))
    return tuple(figure for figure in drawn if figure is not None)


def _verdicts(evaluate: Evaluation, variant: str) -> Counter[str]:
    ablation = evaluate.ablations.get(variant)
    return Counter(value.verdict for value in ablation.changes.values()) if ablation else Counter()


def _parts(evaluate: Evaluation) -> Figure | None:
    """Return the table of parts and sets as a figure."""
    parts = [question for question in QUESTIONS if _verdicts(evaluate, question.variant)]
    if not parts:
        return None
    table = pd.DataFrame(
        {
            question.part.removeprefix("the "): {
                set_name(name): WORDS[value.verdict]
                for name, value in evaluate.ablations[question.variant].changes.items()
            }
            for question in parts
        }
    )
    alt = "What a part does, by set: " + joined(
        f"{part} {word} on {name}" for part in table for name, word in table[part].dropna().items()
    )
    picture = svg("parts", (8.2, 1.0 + 0.42 * len(table)), alt, partial(verdicts.matrix, table=table))
    most = max(table, key=lambda part: (table[part] == "pays").sum())
    pays = (table[most] == "pays").any()
    return Figure(
        (Picture(picture),),
        "Effect of each part on each set. A part pays where the score becomes worse without it, beyond the "
        "95% intervals by seed and by test row. Empty: not measured.",
        title=f"{most[0].upper()}{most[1:]} pays most often" if pays else "No part surely pays",
    )


def _whole(evaluate: Evaluation) -> Figure | None:
    """Return the figure of the whole against the strongest baselines."""
    gains = {
        f"{set_name(name)}: {variant_name(scores.strongest)}": (scores, scores.gains[scores.strongest])
        for name, scores in evaluate.sets.items()
        if scores.strongest
    }
    panels = {}
    for label, accuracy in (("points of accuracy", True), ("percent of the error saved", False)):
        chosen = {
            name: {"mean": gain.mean, "low": gain.low, "high": gain.high}
            for name, (scores, gain) in gains.items()
            if (scores.measure == "accuracy") == accuracy
        }
        if chosen:
            panels[label] = pd.DataFrame.from_dict(chosen, orient="index")
    if not panels:
        return None
    alt = "Gain of the whole over the strongest baseline: " + joined(
        f"{name} {change(gain)}" for name, (_, gain) in gains.items()
    )
    ahead = sum(gain.verdict == "gain" for _, gain in gains.values())
    picture = svg("whole", (8.2, 1.9 + 0.42 * len(gains)), alt, partial(draw.differences, panels=panels))
    return Figure(
        (Picture(picture),),
        "Gain of the whole architecture over the strongest baseline of each set, with 95% intervals by seed. "
        "Right of 0: the architecture is better.",
        title=f"It beats the best ordinary model on {ahead} of {plural(len(gains), 'set')}",
    )
