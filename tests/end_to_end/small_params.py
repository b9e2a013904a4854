"""Params with which a cold run of each pipeline takes minutes, not an hour.

Every stage still runs, with its shipped inputs. Only the numbers of trainings, epochs, simulations and
draws are smaller, so the figures of these runs mean nothing.
"""

from __future__ import annotations

# The emotion pipeline draws and simulates: ten times fewer draws, at least what the params allow.
EMOTION = [
    "emotion.fusion.epochs=4",
    "emotion.fusion.draws=100",
    "emotion.changepoint.career_simulations=2",
    "emotion.changepoint.simulations=20",
    "emotion.causal.draws=10",
    "emotion.effects.placebo_draws=19",
    "emotion.effects.random_cause_draws=2",
    "emotion.effects.curve_draws=10",
    "emotion.search.evaluations=40",
    "emotion.search.population=4",
    "emotion.search.trials=15",
    "emotion.search.seeds=3",
    "emotion.variational.ascent_artists=4",
    "emotion.variational.ascent_steps=200",
    "emotion.variational.draws=100",
    "emotion.variational.tolerance=1e-4",
    "emotion.network.genres=[Vocal]",
    "emotion.network.effective=100",
    "emotion.network.draws=20",
    "emotion.network.bridges=4",
    "emotion.network.bridge_effective=50",
    "emotion.micro.draws=20",
    "emotion.micro.classes=2",
    "emotion.micro.strengths=[100]",
    "emotion.meso.draws=20",
    "emotion.meso.shuffles=100",
    "emotion.meso.groups=5",
    "emotion.meso.album_draws=100",
    "emotion.macro.dimensions=[valence]",
    "emotion.macro.careers=25",
    "emotion.macro.draws=20",
    "emotion.macro.tune=20",
    "emotion.macro.predictive_draws=20",
    "emotion.latent.epochs=10",
    "emotion.latent.draws=100",
    "emotion.influence.permutations=19",
    "emotion.influence.draws=100",
    "emotion.trust.epochs=5",
    "emotion.trust.steps=4",
    "emotion.trust.restarts=1",
    "emotion.trust.members=2",
    "emotion.trust.outer=2",
    "emotion.explain.permutations=30",
    "emotion.explain.epochs=10",
    "emotion.train.epochs=2",
    "emotion.train.folds=2",
    "emotion.train.ablations=false",
    "emotion.evaluate.draws=200",
]
# The networks of the graph and the adapter of the language model take most of the time.
RELEAF = [
    "releaf.graph.compared=[]",
    "releaf.graph.epochs=10",
    "releaf.graph.pivots=50",
    "releaf.graph.shuffles=19",
    "releaf.vision.seeds=[0, 1]",
    "releaf.serving.requests=2000",
    "releaf.serving.skipped=200",
    "releaf.adapt.steps=4",
    "releaf.adapt.questions=16",
    "releaf.adapt.asked=8",
    "releaf.adapt.wikitext_tokens=1000",
]
# Fusion trains eight operators many times; two operators show that the pipeline works.
FUSION = [
    "fusion.fuse.operators=[late-average, early]",
    "fusion.fuse.folds=3",
    "fusion.evaluate.resplits=2",
    "fusion.recognise.most_components=2",
]
# The matrix of sifa has 189 trainings; a few short ones show that the pipeline works.
SIFA = [
    "sifa.matrix.data=[digits, solubility]",
    "sifa.matrix.variants=[sifa, plain]",
    "sifa.matrix.ablated=[digits]",
    "sifa.matrix.ablations=[no-renormalisation]",
    "sifa.matrix.grids=[digits]",
    "sifa.matrix.grid_variants=[svc]",
    "sifa.matrix.graphs=[solubility]",
    "sifa.matrix.graph_variants=[forest]",
    "sifa.matrix.seeds=[0, 1]",
    "sifa.train.effort=0.02",
    "sifa.train.attacked=10",
    "sifa.optimisers.tasks=[digits-logistic]",
    "sifa.optimisers.optimisers=[adamw, leapfrog]",
    "sifa.optimisers.trials=2",
    "sifa.optimisers.budgets=[10]",
    "sifa.optimisers.repetitions=2",
    "sifa.geometry.rows=[100, 200]",
    "sifa.geometry.steps=[10, 20]",
    "sifa.geometry.measured=20",
]
# The tuner times 96 programs on 12 tables; two engines on two small tables show that the pipeline works.
TUNER = [
    "tuner.policy.checkpoints=[10, 50]",
    "tuner.policy.seeds=[0, 1]",
    "tuner.search.problems=[sphere]",
    "tuner.search.budget=60",
    "tuner.search.checkpoints=[20, 60]",
    "tuner.search.instances=2",
    "tuner.search.random_draws=1000",
    "tuner.matrix.specs=[mood_by_genre, bright_years]",
    "tuner.programs.engines=[pandas, polars]",
    "tuner.matrix.rows=[1000, 2000]",
    "tuner.programs.threads=[1]",
    "tuner.programs.batch_sizes=[0]",
    "tuner.measure.rounds=2",
    "tuner.measure.repeats=1",
    "tuner.choose.share=0.3",
    "tuner.choose.epochs=20",
    "tuner.choose.repetitions=2",
    "tuner.evaluate.rounds=5",
]

SMALL = {"emotion": EMOTION, "releaf": RELEAF, "fusion": FUSION, "sifa": SIFA, "tuner": TUNER}
"""Assignments by pipeline, in the order in which the pipelines run."""
