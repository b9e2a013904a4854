"""Sections of the report of the pipeline fusion."""
