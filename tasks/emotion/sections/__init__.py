"""Sections of the report, each with its findings."""
