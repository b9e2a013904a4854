"""Stage emotion-report: one HTML page that a musicologist can read.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself.
Sections are built in ``report_*.py``, drawn by ``figures*.py``, and set by the template in
``tasks/report/page.py``.
"""

from __future__ import annotations

from statewright.contracts import Feedback, Table
from tasks.checked import Quarantine
from tasks.emotion.causal import CausalEdges, CausalMetrics, GrangerTests
from tasks.emotion.changepoint import ChangeCounts, ChangepointMetrics, Changes
from tasks.emotion.contracts.macro import CareerCourses, MacroMetrics
from tasks.emotion.contracts.meso import AlbumCoherence, MesoMetrics
from tasks.emotion.contracts.micro import MicroMetrics, SectionEffects, SongCurves
from tasks.emotion.contracts.tables import Artists, Careers, Forecasts, Years
from tasks.emotion.effects import EffectCurve, EffectEstimates, EffectsMetrics
from tasks.emotion.evaluate import Ablation, Coverage, Scores
from tasks.emotion.fusion import Attention, FusionSummary
from tasks.emotion.ingest import IngestReport
from tasks.emotion.network import NetworkFit, NetworkMetrics, NetworkTerms
from tasks.emotion.params import ReportParams
from tasks.emotion.preprocess import PreprocessReport
from tasks.emotion.sections.attention import attention as attention_section
from tasks.emotion.sections.careers import careers as careers_section
from tasks.emotion.sections.careers import choose, plane
from tasks.emotion.sections.causality import causality
from tasks.emotion.sections.data import data
from tasks.emotion.sections.effects import effects as effects_section
from tasks.emotion.sections.forecast import forecast
from tasks.emotion.sections.frame import findings, methods, reproduce
from tasks.emotion.sections.music import music
from tasks.emotion.sections.network import influence
from tasks.emotion.sections.scales import scales
from tasks.emotion.sections.states import states as states_section
from tasks.emotion.sections.trust import ablations
from tasks.emotion.sections.trust import coverage as coverage_section
from tasks.emotion.variational import ArtistStates, VariationalMetrics
from tasks.report.blocks import count
from tasks.report.feedback import feedback as feedback_section
from tasks.report.page import page

TITLE = "The emotional course of artists, of careers, and of music as a whole"


def report(
    artists: Table[Artists],
    careers: Table[Careers],
    years: Table[Years],
    quarantine: Table[Quarantine],
    attention: Table[Attention],
    changes: Table[Changes],
    change_counts: Table[ChangeCounts],
    artist_states: Table[ArtistStates],
    causal_edges: Table[CausalEdges],
    granger: Table[GrangerTests],
    effect_estimates: Table[EffectEstimates],
    effect_curve: Table[EffectCurve],
    network_terms: Table[NetworkTerms],
    network_fit: Table[NetworkFit],
    forecasts: Table[Forecasts],
    scores: Table[Scores],
    coverage: Table[Coverage],
    ablation: Table[Ablation],
    song_curves: Table[SongCurves],
    section_effects: Table[SectionEffects],
    album_coherence: Table[AlbumCoherence],
    career_courses: Table[CareerCourses],
    ingest: IngestReport,
    preprocess: PreprocessReport,
    fusion: FusionSummary,
    changepoint: ChangepointMetrics,
    causal: CausalMetrics,
    effects: EffectsMetrics,
    variational: VariationalMetrics,
    network: NetworkMetrics,
    micro: MicroMetrics,
    meso: MesoMetrics,
    macro: MacroMetrics,
    feedback: Feedback,
    *,
    params: ReportParams,
) -> str:
    """Write the page."""
    shown, note = choose(artists, careers, params)
    tables = {"artists": artists, "careers": careers, "changes": changes, "change_counts": change_counts}
    sections = (
        findings(scores, coverage, changes, (changepoint, variational, causal, fusion, feedback)),
        data(ingest, preprocess, quarantine),
        music(years, changes, changepoint),
        careers_section(shown, note, tables, changepoint, params),
        plane(shown, years, careers, params),
        states_section(shown, artist_states, variational, params),
        scales(song_curves, section_effects, album_coherence, career_courses, (micro, meso, macro)),
        attention_section(attention, fusion),
        causality(causal_edges, granger, causal, params),
        effects_section(effect_estimates, effect_curve, effects),
        influence(network_terms, network_fit, network),
        forecast(forecasts, scores, shown, params),
        coverage_section(coverage),
        ablations(ablation),
        feedback_section(feedback),
        methods(forecasts),
        reproduce(),
    )
    lede = (
        f"{count(careers['artist_id'].nunique())} careers in sound, {count(len(careers))} artist-years, "
        f"{int(careers['year'].min())} to {int(careers['year'].max())}: when did they change, what goes "
        "with what, and how far can the next step be foreseen? Each figure says what it rests on and how "
        "sure it is."
    )
    return page(
        TITLE,
        lede,
        sections,
        "Made by the stage emotion-report. One file, nothing fetched: keep it, mail it, print it.",
    )
