"""Recorded runs with their stages, from MLflow and from pending journals."""
