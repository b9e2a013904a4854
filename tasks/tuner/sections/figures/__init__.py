"""Figures of the report of the pipeline tuner."""
