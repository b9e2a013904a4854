"""Sections of the report of the pipeline tuner, one for each question."""
