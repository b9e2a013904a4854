"""Picker of the report: every artist with what the stages say of it."""
