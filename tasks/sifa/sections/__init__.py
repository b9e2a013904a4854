"""Sections of the report of the pipeline sifa, one for each question."""
