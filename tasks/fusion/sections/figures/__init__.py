"""Figures of the report of the pipeline fusion."""
