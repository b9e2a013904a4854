"""Stage emotion-report: one HTML page on careers and on music as a whole.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself.
``sections/`` builds the sections, ``sections/figures/`` draws them, and ``tasks/report/page.py`` sets them.
"""

from __future__ import annotations

from statewright.contracts import Feedback, Table
from tasks.emotion.catalogue.selection import select_artists
from tasks.emotion.causal import CausalOutputs
from tasks.emotion.changepoint import ChangepointOutputs
from tasks.emotion.contracts.influence import InfluenceOutputs
from tasks.emotion.contracts.latent import LatentOutputs
from tasks.emotion.contracts.macro import MacroOutputs
from tasks.emotion.contracts.meso import MesoOutputs
from tasks.emotion.contracts.micro import MicroOutputs
from tasks.emotion.contracts.report import FusionResults, IngestResults
from tasks.emotion.contracts.search import SearchOutputs
from tasks.emotion.contracts.tables import Forecasts
from tasks.emotion.contracts.trust import ExplainOutputs, TrustOutputs
from tasks.emotion.effects import EffectsOutputs
from tasks.emotion.evaluate import EvaluateOutputs
from tasks.emotion.network import NetworkOutputs
from tasks.emotion.params import ReportParams
from tasks.emotion.picker.data import Catalogue
from tasks.emotion.picker.element import script as picker_script
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections import (
    ablations,
    artists,
    attention,
    careers,
    causality,
    coverage,
    data,
    explanation,
    followers,
    forecast,
    genres,
    influence,
    influence_map,
    interventions,
    latent_space,
    limitations,
    music,
    opening,
    plane,
    scales,
    search,
    states,
    trust_in_forecasts,
)
from tasks.emotion.variational import VariationalOutputs
from tasks.report import feedback as feedback_loop
from tasks.report.blocks import (
    Commands,
    Opening,
    Prose,
    ReportOutputs,
    Section,
    findings,
    findings_text,
)
from tasks.report.page import report_page

TITLE = "Emotion in recorded music: artists, careers, and music as a whole"


def report(
    ingest: IngestResults,
    preprocess: PreprocessOutputs,
    fusion: FusionResults,
    changepoint: ChangepointOutputs,
    causal: CausalOutputs,
    effects: EffectsOutputs,
    variational: VariationalOutputs,
    network: NetworkOutputs,
    influenced: InfluenceOutputs,
    micro: MicroOutputs,
    meso: MesoOutputs,
    macro: MacroOutputs,
    latent: LatentOutputs,
    forecasts: Table[Forecasts],
    evaluate: EvaluateOutputs,
    trust: TrustOutputs,
    explain: ExplainOutputs,
    searched: SearchOutputs,
    feedback: Feedback,
    *,
    params: ReportParams,
) -> ReportOutputs:
    """Return the page and its findings.

    The page has a summary, the findings, and one section per topic.
    """
    selection = select_artists(preprocess.artists, preprocess.careers, params)
    points = [
        sentence
        for topic in (
            data.finding(ingest),
            music.finding(changepoint),
            plane.finding(preprocess, params),
            careers.finding(changepoint),
            states.finding(variational),
            scales.finding(meso),
            latent_space.finding(latent),
            attention.finding(fusion),
            causality.finding(causal),
            interventions.finding(effects),
            influence.finding(network),
            followers.finding(influenced),
            forecast.finding(evaluate),
            coverage.finding(evaluate),
            trust_in_forecasts.finding(trust),
            explanation.finding(explain),
            ablations.finding(evaluate),
            search.finding(searched),
            feedback_loop.finding(feedback),
            limitations.finding(),
        )
        for sentence in topic
    ]
    sections = (
        findings(points),
        data.section(ingest, preprocess),
        music.section(preprocess, changepoint),
        careers.section(preprocess, changepoint, params),
        plane.section(preprocess, params),
        states.section(variational),
        scales.section(micro, meso, macro),
        latent_space.section(selection, latent),
        attention.section(fusion),
        causality.section(causal, params),
        interventions.section(effects),
        influence.section(network),
        followers.section(influenced),
        forecast.section(forecasts, evaluate, params),
        coverage.section(evaluate),
        trust_in_forecasts.section(trust),
        explanation.section(explain),
        ablations.section(evaluate),
        search.section(searched),
        feedback_loop.section(feedback),
        limitations.section(forecasts),
        reproduction(),
    )
    catalogue = Catalogue(
        preprocess.artists, preprocess.careers, preprocess.years, preprocess.influence,
        variational.artist_states, changepoint.changes, changepoint.career_tests, forecasts,
    )  # fmt: skip
    html = report_page(
        Opening(
            TITLE,
            opening.sentences(preprocess, changepoint, causal, evaluate),
            (
                genres.figure(preprocess),
                influence_map.figure(preprocess, causal, influenced),
                artists.figure(catalogue, selection),
            ),
        ),
        sections,
        "Written by the stage emotion-report. The page is one file and loads nothing from the network.",
        picker_script(),
    )
    return ReportOutputs(html, findings_text(TITLE, points))


def reproduction() -> Section:
    """Return the section on the commands that reproduce the page."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Prose(
                "The stages declared in dvc.yaml compute every number above from the tables in data/source, "
                "with the parameters in params.yaml. dvc.lock holds the hash of every file, and MLflow the "
                "record of each run. From a fresh copy of the repository:"
            ),
            Commands(
                (
                    "make run                          # the whole pipeline, then this page",
                    "statewright plan                  # the stages that would run, with reasons",
                    "dvc repro emotion-report          # the same with DVC alone",
                    "statewright run emotion-report    # the same as a Prefect flow",
                )
            ),
            Prose("The same inputs and parameters give the same page, byte for byte. It needs no network."),
        ),
    )
