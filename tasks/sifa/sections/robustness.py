"""Section of the report on attacks, shifts and sample efficiency."""

from __future__ import annotations

from functools import partial

from tasks.report.blocks import Block, Figure, Picture, Prose, Section, count, grid, joined
from tasks.report.drawing import svg
from tasks.sifa.contracts.evaluate import Evaluation
from tasks.sifa.sections.figures import intervals as draw
from tasks.sifa.sections.words import change, set_name, variant_name

DRAWN = ("sifa", "no-symmetry", "plain", "cnn")


def finding(evaluate: Evaluation) -> list[str]:
    """Return the sentence on the set whose symmetry is false."""
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
        *(Prose(sentence) for sentence in finding(evaluate)),
        *_attacks(evaluate),
        *_shifts(evaluate),
        *_efficiency(evaluate),
    ]
    return Section(
        "robustness", "Robustness, shift and sample efficiency", tuple(blocks) or (Prose("Not measured."),)
    )


def _attacks(evaluate: Evaluation) -> list[Block]:
    pictures: list[Picture] = []
    rows: list[tuple[str, ...]] = []
    radii: list[str] = []
    for name, variants in evaluate.attack.items():
        lines = {
            variant_name(variant): {0.0: value.clean} | {float(r): a for r, a in value.attacked.items()}
            for variant, value in variants.items()
            if variant in DRAWN
        }
        alt = f"Accuracy under attack on {set_name(name)}: " + joined(
            f"{variant} {min(line.values()):.2f} at the largest radius" for variant, line in lines.items()
        )
        draw_lines = partial(draw.curves, lines=lines, axis=("radius", "accuracy"))
        pictures.append(Picture(svg(f"attack-{name}", (4.6, 2.8), alt, draw_lines), set_name(name)))
        radii = list(dict.fromkeys([*radii, *next(iter(variants.values())).attacked]))
        rows += [
            (
                f"{set_name(name)}: {variant_name(variant)}",
                f"{value.clean:.3f}",
                *(f"{value.attacked[r]:.3f}" if r in value.attacked else "–" for r in radii),
                "–" if value.masked is None else f"{value.masked:.3f}",
            )
            for variant, value in variants.items()
        ]
    if not rows:
        return []
    return [
        Figure(
            tuple(pictures),
            "Accuracy against the radius of the attack: PGD with several starts and a search without "
            "gradients; a row counts if neither breaks it.",
        ),
        grid(
            "The same as numbers. The last column is the share of rows that only the search without "
            "gradients "
            "breaks: where it is large, gradients are masked.",
            ("variant", "clean", *(f"radius {radius}" for radius in radii), "masked"),
            rows,
        ),
    ]


def _shifts(evaluate: Evaluation) -> list[Block]:
    rows = [
        (f"{set_name(name)}: {variant_name(variant)}", shift, f"{value.score:.3f}", f"{value.change:+.1f}")
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
                    "–" if value.equivalent is None else count(round(value.equivalent)),
                )
                for variant, value in evaluate.efficiency.items()
            ],
        )
    ]
