"""Section on the language model: size, training and answers of the adapter."""

from __future__ import annotations

from tasks.releaf.adapter.scores import AdaptSummary
from tasks.report.blocks import Block, Prose, Section, count, grid, joined, plural, share


def finding(adapt: AdaptSummary) -> str:
    """Return the share of right bins before and after, and the best baseline."""
    return f"Language model: {_right_bins(adapt)}"


def section(adapt: AdaptSummary) -> Section:
    """Return the size of the adapter, the perplexities and the answers."""
    equal = "equals" if adapt.formula_holds else "does not equal"
    matrices = f"{count(adapt.matrices)} {'matrix' if adapt.matrices == 1 else 'matrices'}"
    right_bins = _right_bins(adapt)
    blocks: list[Block] = [
        Prose(
            f"The model {adapt.model} has an adapter of rank {adapt.rank} on {matrices}. The adapter has "
            f"{count(adapt.trainable)} trained parameters ({adapt.trainable_share:.2%} of all). This {equal} "
            f"the sum of r (d + k), {adapt.reduction:.1f} times fewer than the weights of the matrices. The "
            f"best of {plural(adapt.steps, 'step')} was step {adapt.best_step}."
        ),
        Prose(f"{right_bins[0].upper()}{right_bins[1:]} {_perplexity(adapt)}"),
        grid(
            "Perplexity without and with the adapter; lower is better.",
            ("texts", "without", "with"),
            [
                (name, f"{perplexity.before:.2f}", f"{perplexity.after:.2f}")
                for name, perplexity in adapt.perplexity.items()
            ],
        ),
        _answers(adapt),
        Prose(f"Limits: forgetting of other texts is {adapt.forgetting}."),
    ]
    return Section(
        "language",
        "Answers written by a language model",
        tuple(blocks),
        "With and without the trained adapter, against simple baselines.",
    )


def _right_bins(adapt: AdaptSummary) -> str:
    before, after = adapt.answers_before.right_bin, adapt.answers_after.right_bin
    best = max(adapt.baselines, key=lambda name: adapt.baselines[name])
    comparison = "above" if after > adapt.baselines[best] else "not above"
    return (
        f"the model names the right bin in {share(after)} of {count(adapt.answers_after.asked)} held-out "
        f"questions with its adapter and in {share(before)} without, {comparison} the simple baseline "
        f"“{best}” ({share(adapt.baselines[best])})."
    )


def _perplexity(adapt: AdaptSummary) -> str:
    better = [name for name, values in adapt.perplexity.items() if values.after < values.before]
    worse = [name for name, values in adapt.perplexity.items() if values.after > values.before]
    parts = [f"falls on {joined(better)}"] if better else []
    parts += [f"rises on {joined(worse)}"] if worse else []
    return f"Its perplexity {joined(parts)}." if parts else "Its perplexity does not change."


def _answers(adapt: AdaptSummary) -> Block:
    labels = {
        "right_bin": "written: names the right bin",
        "cites": "written: cites the passage of the card",
        "shown_right": "shown: names the right bin",
        "grounded": "shown: supported by the cited passages",
        "refused": "refused",
    }
    rows = [
        (label, share(getattr(adapt.answers_before, key)), share(getattr(adapt.answers_after, key)))
        for key, label in labels.items()
    ]
    baselines = joined(f"{name} {share(value)}" for name, value in adapt.baselines.items())
    return grid(
        f"Answers to {count(adapt.answers_after.asked)} held-out questions. Right bins of simple baselines: "
        f"{baselines}.",
        ("answers", "without", "with"),
        rows,
    )
