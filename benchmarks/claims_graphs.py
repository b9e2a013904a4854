"""Claims of specification 3 §3.3 on public graphs with published figures."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, Claim, Metrics, Row, benchmark_rows

PART = "graphs"
COMMAND = "`python -m benchmarks.learning graphs`"
MISSING = "Not measured on this machine yet."
KINDS = ("random", "historical", "inductive")
MODELS = ("attention", "attention and features")


def _papers_verdict(metrics: Metrics) -> str:
    goals = [row["goal met"] for row in benchmark_rows(metrics, PART, "papers") if row["goal met"]]
    if not goals:
        return OPEN
    return REPRODUCED if set(goals) == {"yes"} else CORRECTED


def _papers(metrics: Metrics) -> str:
    rows, times = (benchmark_rows(metrics, PART, name) for name in ("papers", "epochs"))
    if not rows:
        return MISSING
    parts = [
        f"{row['set and layers']} {row['accuracy']:.2f}"
        + ("" if row["published"] is None else f" (published {row['published']:.1f}, goal {row['goal']:.1f})")
        for row in rows
    ]
    speed = ""
    if times:
        dense, sparse = (max(row[ratio] for row in times) for ratio in ("ratio, dense", "ratio"))
        speed = (
            f" An epoch needs at most {dense:.2f} of the time of PyG's own layers in a plain loop, on sparse "
            f"features {sparse:.2f}."
        )
    return f"Test accuracy in percent, public split, mean of 10 seeds: {', '.join(parts)}.{speed}"


def _links_verdict(metrics: Metrics) -> str:
    """Return reproduced if ahead of each rival with each kind of negatives."""
    gaps, table = (benchmark_rows(metrics, PART, name) for name in ("differences", "messages"))
    if not gaps:
        return OPEN
    rivals = {_rival(row) for row in gaps}
    ahead = all(
        any(row["ahead"] == "yes" for row in gaps if _rival(row) == rival and row["negatives"] == kind)
        for rival in rivals
        for kind in KINDS
    )
    return REPRODUCED if ahead and all(_best_single(table, kind)[0] for kind in KINDS) else CORRECTED


def _rival(row: Row) -> str:
    return str(row["model minus rival"]).partition(" minus ")[2]


def _best_single(table: list[Row], kind: str) -> tuple[bool, str]:
    """Return whether a model is above the best single feature, and that one."""
    ours = max(row[kind] for row in table if row["model"] in MODELS)
    best = max((row for row in table if str(row["model"]).endswith(" alone")), key=lambda row: row[kind])
    return ours > best[kind], f"{kind} {best['model']} {best[kind]:.3f}"


def _links(metrics: Metrics) -> str:
    gaps, table = (benchmark_rows(metrics, PART, name) for name in ("differences", "messages"))
    if not table:
        return MISSING
    scores = "; ".join(
        f"{row['model']} " + ", ".join(f"{row[kind]:.3f}" for kind in KINDS)
        for row in table
        if not str(row["model"]).endswith(" alone")
    )
    differences = "; ".join(
        f"{row['model minus rival']}, {row['negatives']} {row['difference']:+.4f} "
        f"({row['low']:+.4f} to {row['high']:+.4f})"
        for row in gaps
        if str(row["model minus rival"]).startswith(MODELS[1])
    )
    singles = ", ".join(_best_single(table, kind)[1] for kind in KINDS)
    return (
        f"Messages between students, average precision with {', '.join(KINDS)} negatives, mean of 5 seeds: "
        f"{scores}. Differences with 95 % intervals: {differences}. Best single feature: {singles}."
    )


def _leaks_verdict(metrics: Metrics) -> str:
    rows = benchmark_rows(metrics, PART, "leaks")
    return OPEN if not rows else CORRECTED


def _leaks(metrics: Metrics) -> str:
    leaks = [row for row in benchmark_rows(metrics, PART, "leaks") if row["verdict"]]
    if not leaks:
        return MISSING
    parts = ", ".join(
        f"{row['graph']} with {row['negatives']} negatives ({row['feature']} alone: "
        f"{row['average precision']:.3f})"
        for row in leaks
    )
    return f"A perfect score can be a leak, and is one here: {parts}. No Bitcoin pair ever repeats."


CLAIMS = (
    Claim("3 §3.3.2", "... on citation graphs, compared with the published accuracy.", _papers_verdict,
          _papers, COMMAND),
    Claim("3 §3.3.3", "... on messages between students, compared with strong rivals.", _links_verdict,
          _links, COMMAND),
    Claim("3 §3.3.3", "... on ratings of Bitcoin traders.", _leaks_verdict, _leaks, COMMAND),
)  # fmt: skip
