"""Series that belong together: forecasts of many short, noisy ones, and emotion on three time scales.

`panel` holds the series, `population_filter` is the state-space model of all of them,
`history_attention` the learned correction, `stacking` combines forecasts, `baselines`
are what every forecast has to beat.

`micro` is the course of a song, `meso` what an album shares, `macro` a career;
`micro_scores`, `meso_null` and `macro_checks` say how far to believe them.
"""
