"""Picker of the report: every artist with career, changes, forecasts and neighbours."""
