"""Forecasts of many short, noisy series, and emotion on three time scales.

`panel` holds the series, `population_filter` is the state-space model of all of them, `history_attention`
learns a correction, `stacking` combines forecasts, and `baselines` are the forecasts to beat.

`micro` models the course of a song, `meso` what the songs of an album share, `macro` a career.
`micro_scores`, `meso_null` and `macro_checks` validate these models.
"""
