"""Opening figure of the report: the map of influence, with its cautions."""

from __future__ import annotations

from tasks.emotion.causal import CausalOutputs
from tasks.emotion.contracts.influence import InfluenceOutputs
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections.figures import influence_map as draw
from tasks.emotion.sections.followers import NEIGHBOURS
from tasks.report.blocks import Figure, Picture, count, plural, share

LIST = (
    '<p class="note" id="influence-note" role="status">Choose a dot to list the artists of a genre and '
    'decade that others name most.</p><ul class="names" id="influence-artists"></ul>'
)
"""Place where the script of the page lists the artists of a dot."""


def figure(preprocess: PreprocessOutputs, causal: CausalOutputs, influenced: InfluenceOutputs) -> Figure:
    """Return the figure of the opening: ties between genres and decades."""
    table = draw.flows(preprocess.influence, preprocess.artists)
    if table.empty:
        return Figure((Picture("<p>No tie has a genre and a decade at both ends.</p>"),), "No map.")
    largest = table.loc[table["ties"].idxmax()]
    within = table.loc[table["influencer_genre"] == table["follower_genre"], "ties"].sum()
    total = table["ties"].sum()
    alt = (
        f"Map of {count(total)} ties by genre and decade; {share(within / total)} stay within a genre. Most "
        f"lead from {largest['influencer_genre']} of the {int(largest['influencer_decade'])}s to "
        f"{largest['follower_genre']} of the {int(largest['follower_decade'])}s."
    )
    return Figure(
        (Picture(draw.chart(table, alt).html() + LIST),),
        "A curve leads from genre and decade in which the influencer began to those of the follower; its "
        f"width is the number of ties. Dots: ties of the followers that began then. {share(within / total)} "
        f"of {count(total)} ties stay within a genre. Drawn: the {len(draw.genres(table))} largest genres, "
        f"the {draw.FLOWS} widest curves. {caution(causal, influenced)}",
        title="Who is named as an influence of whom",
    )


def caution(causal: CausalOutputs, influenced: InfluenceOutputs) -> str:
    """Return which part of influence the null models and the tests support."""
    parts = ["A tie is a judgement of the editors of AllMusic, not a measured effect."]
    kinds = influenced.influence_metrics.sound.nulls.get(NEIGHBOURS, {})
    if kinds:
        real = next(iter(kinds.values())).real
        highest = max(null.highest for null in kinds.values())
        draws = sum(null.draws for null in kinds.values())
        verdict = "do say more" if real > highest else "say no more"
        parts.append(
            f"Ties {verdict} of an artist’s sound than ties to random artists with as many ties: they save "
            f"{share(real)} of the squared error, {plural(draws, 'permuted network')} at most "
            f"{max(highest, 0):.1%}."
        )
    scope = causal.causal.granger.get("influencer->follower")
    if scope is not None:
        verb = "finds" if scope.significant == 0 else "find"
        number = (
            f"none of {scope.tests}" if scope.significant == 0 else f"{scope.significant} of {scope.tests}"
        )
        parts.append(
            f"But {number} tests {verb} that the emotion of an influencer helps to forecast that of the "
            "follower: likeness is no proof of influence."
        )
    return " ".join(parts)
