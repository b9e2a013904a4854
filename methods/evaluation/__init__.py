"""Scores of predictions: calibration, graphs, change points."""
