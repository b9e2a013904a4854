"""Section on photos that show no waste: how many the assistant marks."""

from __future__ import annotations

from tasks.releaf.photographs.novelty_scores import NoveltySummary, Rate
from tasks.report.blocks import Block, Grid, Prose, Section, count, grid, share

METHODS = {
    "softmax": "confidence of the classifier (baseline)",
    "energy": "energy of the classifier (baseline)",
    "classes": "distance to the nearest material",
    "neighbours": "distance to the nearest training photos",
}


def finding(novelty: NoveltySummary) -> str:
    """Return the share of unfamiliar pictures that are marked, and of false alarms."""
    return (
        f"Photos of no waste: the assistant marks {_share(novelty.detected)} of "
        f"{count(novelty.detected.pictures)} test pictures such as portraits and screenshots, "
        f"and by mistake {_share(novelty.false_alarms)} of {count(novelty.false_alarms.pictures)} photos of "
        "waste."
    )


def section(novelty: NoveltySummary) -> Section:
    """Return the figures of the test, by method and by kind, and its limits."""
    before = novelty.confident
    blocks: list[Block] = [
        Prose(
            "A classifier of materials names one for any picture. So a photo whose features are far from "
            "those of the training photos is marked: the answer is then “not sure”."
        ),
        *(
            []
            if before is None
            else [
                Prose(
                    f"Without the test, {_share(before)} of the {count(before.pictures)} test pictures get a "
                    "bin in Toronto with a confidence of 90% or more, although they show no waste."
                )
            ]
        ),
        _methods(novelty),
        _kinds(novelty),
        _ceilings(novelty),
        Prose(
            f"Limits: {count(sum(novelty.pictures.values()))} pictures are few, and some are parts of one "
            "picture; no kind of the test part is in the calibration part. All photos of waste come from "
            "one collection with a plain background, so a photo of waste on a kitchen table can be marked "
            "too: the assistant has not learned from such photos. The share of false alarms is that of this "
            "collection."
        ),
    ]
    hint = f"{share(novelty.detected.share)} of pictures without waste are marked"
    return Section("unfamiliar", "Photos that show no waste", tuple(blocks), hint)


def _share(rate: Rate) -> str:
    return f"{share(rate.share)} ({share(rate.low)} to {share(rate.high)})"


def _methods(novelty: NoveltySummary) -> Grid:
    return grid(
        "Separation of photos of waste from other pictures. AUROC: probability that a picture without waste "
        f"has the higher score. The calibration part chose “{METHODS[novelty.method]}”; the last two columns "
        "are shares of the test part, at the threshold that the validation photos set.",
        ("score", "AUROC, calibration", "AUROC, test", "95% interval", "marked", "false alarms"),
        [
            (
                METHODS[name],
                f"{score.auroc_calibration:.3f}",
                f"{score.auroc_test:.3f}",
                f"{score.auroc_low:.3f} to {score.auroc_high:.3f}",
                share(score.detected),
                share(score.false_alarms),
            )
            for name, score in novelty.methods.items()
        ],
    )


def _kinds(novelty: NoveltySummary) -> Grid:
    rows = [*sorted(novelty.detected_by_kind.items()), ("all", novelty.detected)]
    return grid(
        "Test pictures without waste that are marked.",
        ("kind", "pictures", "marked", "95% interval"),
        [
            (kind, count(rate.pictures), share(rate.share), f"{share(rate.low)} to {share(rate.high)}")
            for kind, rate in rows
        ],
    )


def _ceilings(novelty: NoveltySummary) -> Grid:
    return grid(
        "Highest confidence that is shown for a photo: the lower end of the 95% interval of the share right, "
        "among the validation photos with a confidence of 90% or more.",
        ("of", "ceiling"),
        [
            ("the material" if name == "material" else f"the bin in {name}", share(ceiling))
            for name, ceiling in novelty.ceilings.items()
        ],
    )
