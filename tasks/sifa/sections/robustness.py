"""Section of the report on attacks, shifts and sample efficiency."""

from __future__ import annotations

from functools import partial

from tasks.report.blocks import (
    Block,
    Cell,
    Figure,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    share,
    signed,
)
from tasks.report.drawing import svg
from tasks.sifa.contracts.evaluate import Evaluation
from tasks.sifa.sections.figures import intervals as draw
from tasks.sifa.sections.words import change, set_name, variant_name

DRAWN = {
    "sifa": "architecture",
    "no-symmetry": "without symmetry",
    "plain": "plain transformer",
    "cnn": "convolutional network",
}
"""Variants of the figure, in the order of its colours, with short names."""
WHOLE, NO_PART = "sifa", ("no-symmetry",)
"""The architecture, and the ablation that is a baseline of robustness."""
EXTRAPOLATED = 100
"""Multiple of the larger size above which a number of rows is not printed."""


def finding(evaluate: Evaluation) -> list[str]:
    """Return the answers on attacks, distant molecules, rows and a false symmetry."""
    return [
        *_attack_answer(evaluate),
        *_similarity_answer(evaluate),
        *_efficiency_answer(evaluate),
        *_false_symmetry(evaluate),
    ]


def _false_symmetry(evaluate: Evaluation) -> list[str]:
    false = evaluate.false_symmetry
    if false is None:
        return []
    verdict = {
        "loss": "A symmetry that is false costs",
        "gain": "Against expectation, a symmetry that is false gains",
        "not shown": "A symmetry that is false changes nothing that is shown",
    }[false.verdict]
    return [f"{verdict}: on upright sixes and nines it changes the accuracy by {change(false)} points."]


def section(evaluate: Evaluation) -> Section:
    """Return the section: attacks by radius, shifts, efficiency, the false symmetry."""
    blocks: list[Block] = [
        *(Prose(sentence) for sentence in _attack_answer(evaluate)),
        *_attacks(evaluate),
        *_shifts(evaluate),
        *(Prose(sentence) for sentence in _similarity_answer(evaluate)),
        *_similarity(evaluate),
        *(Prose(sentence) for sentence in _efficiency_answer(evaluate)),
        *_efficiency(evaluate),
        *(Prose(sentence) for sentence in _false_symmetry(evaluate)),
    ]
    return Section(
        "robustness",
        "Robustness, shift and sample efficiency",
        tuple(blocks) or (Prose("Not measured."),),
        "Attacks, unlike molecules, few rows, and a symmetry that is false.",
    )


def _attack_answer(evaluate: Evaluation) -> list[str]:
    """Return the accuracy at the smallest radius beside the most robust other model.

    A model without a gradient is left out, because its figure is an upper bound.
    """
    sentences = []
    for name, variants in evaluate.attack.items():
        others = {
            variant: value.attacked
            for variant, value in variants.items()
            if value.masked is not None and (variant in NO_PART or not variant.startswith("no-"))
        }
        ours = others.pop(WHOLE, None)
        if not ours or not others:
            continue
        radius = min(ours, key=float)
        best = max(others, key=lambda variant: others[variant][radius])
        sentences.append(
            f"{ours[radius]:.2f} within radius {radius} on {set_name(name)}, and the most robust other "
            f"{others[best][radius]:.2f}: {variant_name(best)}"
        )
    if not sentences:
        return []
    return [f"Under attack, the architecture keeps an accuracy of {'; '.join(sentences)}."]


def _similarity_answer(evaluate: Evaluation) -> list[str]:
    """Return whether the architecture errs more on unlike molecules."""
    shift = evaluate.similarity
    if shift is None:
        return []
    far, near = shift.errors[WHOLE][0], shift.errors[WHOLE][-1]
    worse = "more" if far > near else "less"
    text = (
        f"The architecture errs {worse} on molecules that are unlike the training ones: its error of the "
        f"solubility is {far:.2f} on the third that is least similar and {near:.2f} on the most similar."
    )
    better = [name for name, gain in shift.gains.items() if gain.verdict == "loss"]
    if better:
        names = joined(
            f"{variant_name(name)} ({shift.errors[name][0]:.2f})"
            for name in sorted(better, key=lambda name: shift.errors[name][0])
        )
        text += f" On the least similar it loses to {names}, by more than the intervals."
    return [text]


def _similarity(evaluate: Evaluation) -> list[Block]:
    shift = evaluate.similarity
    if shift is None:
        return []
    lowest = [min(errors[third] for errors in shift.errors.values()) for third in range(len(shift.bounds))]
    order = sorted(shift.errors, key=lambda name: shift.errors[name][0])
    return [
        grid(
            "Error of the solubility (log mol/L) on thirds of the test molecules, by similarity to the "
            "nearest training molecule (Tanimoto, environments of two bonds); its rank correlation with the "
            "similarity; and the gain of the architecture over a baseline on the least similar third, in "
            f"percent. The median similarity is {shift.nearest:.2f} for a test molecule and "
            f"{shift.within:.2f} between a training molecule and the nearest other one; "
            f"{share(shift.known_rings)} of the test molecules have a ring system that occurs in training.",
            (
                "variant",
                *(f"{low:.2f} to {high:.2f}" for low, high in shift.bounds),
                "correlation",
                "gain, least similar",
            ),
            [
                (
                    variant_name(name),
                    *(Cell(f"{e:.2f}", best=e == lowest[i]) for i, e in enumerate(shift.errors[name])),
                    "–" if (value := shift.correlation[name]) is None else signed(value, 2),
                    change(shift.gains[name]) if name in shift.gains else "–",
                )
                for name in order
            ],
        )
    ]


def _efficiency_answer(evaluate: Evaluation) -> list[str]:
    """Return the rows that the next best variant needs for the same error."""
    needed = {
        name: value.equivalent
        for name, value in evaluate.efficiency.items()
        if name != WHOLE and value.equivalent is not None
    }
    if WHOLE not in evaluate.efficiency or not needed:
        return []
    few = evaluate.efficiency[WHOLE].rows[0]
    best = min(needed, key=lambda name: needed[name])
    return [
        f"With {count(few)} training rows the architecture has the error for which the next best variant, "
        f"{variant_name(best)}, needs {count(round(needed[best]))}."
    ]


def attack_figure(evaluate: Evaluation) -> Figure | None:
    """Return the accuracy against the radius of the attack, one panel for each set."""
    pictures = []
    for name, variants in evaluate.attack.items():
        lines = {
            label: {0.0: value.clean} | {float(r): a for r, a in value.attacked.items()}
            for variant, label in DRAWN.items()
            if (value := variants.get(variant))
        }
        alt = f"Accuracy under attack on {set_name(name)}: " + joined(
            f"{variant} {min(line.values()):.2f} at the largest radius" for variant, line in lines.items()
        )
        draw_lines = partial(draw.curves, lines=lines, axis=("radius", "accuracy"))
        pictures.append(Picture(svg(f"attack-{name}", (4.2, 2.8), alt, draw_lines), set_name(name)))
    if not pictures:
        return None
    return Figure(
        tuple(pictures),
        "Accuracy against the radius of the attack: PGD with several starts and a search without "
        "gradients; a row counts if neither breaks it.",
        title="How much each model withstands small changes of its input",
    )


def _attacks(evaluate: Evaluation) -> list[Block]:
    radii = list(
        dict.fromkeys(
            r for variants in evaluate.attack.values() for r in next(iter(variants.values())).attacked
        )
    )
    rows = [
        (
            f"{set_name(name)}: {variant_name(variant)}",
            f"{value.clean:.3f}",
            *(f"{value.attacked[r]:.3f}" if r in value.attacked else "–" for r in radii),
            "–" if value.masked is None else f"{value.masked:.3f}",
        )
        for name, variants in evaluate.attack.items()
        for variant, value in variants.items()
    ]
    if not rows:
        return []
    return [
        grid(
            "Accuracy under attack, as in the figure above. The last column is the share of rows that only "
            "the search without gradients breaks: where it is large, gradients are masked.",
            ("variant", "clean", *(f"radius {radius}" for radius in radii), "masked"),
            rows,
        ),
    ]


def _shifts(evaluate: Evaluation) -> list[Block]:
    rows = [
        (f"{set_name(name)}: {variant_name(variant)}", shift, f"{value.score:.3f}", signed(value.change, 1))
        for name, variants in evaluate.shift.items()
        for variant, shifts in variants.items()
        for shift, value in shifts.items()
    ]
    if not rows:
        return []
    return [
        grid(
            "Score of test rows that differ from the training rows, and its change in points of accuracy or "
            "percent of the error.",
            ("variant", "shift", "score", "change"),
            rows,
            text=(1,),
        )
    ]


def _efficiency(evaluate: Evaluation) -> list[Block]:
    if not evaluate.efficiency:
        return []
    few, more = next(iter(evaluate.efficiency.values())).rows
    most = EXTRAPOLATED * more
    return [
        grid(
            f"Error rate on turned digits after {count(few)} and {count(more)} training rows, and the rows "
            f"that "
            f"a variant needs for the error of the architecture after {count(few)}, by the power law through "
            "both errors; outside both it is an extrapolation.",
            ("variant", f"error, {count(few)} rows", f"error, {count(more)} rows", "rows needed"),
            [
                (
                    variant_name(variant),
                    *(f"{error:.3f}" for error in value.errors),
                    _needed(value.equivalent, most),
                )
                for variant, value in evaluate.efficiency.items()
            ],
        )
    ]


def _needed(rows: float | None, most: float) -> str:
    if rows is None:
        return "–"
    return count(round(rows)) if rows <= most else f"over {count(most)}"
