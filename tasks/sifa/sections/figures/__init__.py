"""Figures of the report of the pipeline sifa."""
