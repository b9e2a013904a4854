"""Scores of predictions: calibration, conformal intervals, graphs, change points."""
