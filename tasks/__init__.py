"""Stages of the pipelines: pure functions from named inputs to named outputs."""
