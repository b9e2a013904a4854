"""Helpers on names and dates in the tables of artists and albums."""
