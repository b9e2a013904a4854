"""Helpers that unify names and dates across the tables of artists and albums."""
