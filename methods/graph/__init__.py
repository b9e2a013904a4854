"""Graphs of things: predicting links, measuring structure, recommending with a path as the reason."""
