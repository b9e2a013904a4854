"""Forecasts of many short, irregular and noisy series that belong together.

`panel` holds the series, `population_filter` is the state-space model of all of them,
`history_attention` the learned correction, `stacking` combines forecasts, `baselines`
are what every forecast has to beat.
"""
