"""Sections of the report: each module has section(), most have finding()."""
