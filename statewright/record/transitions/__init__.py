"""Recorded runs of a repository with their stages, from MLflow and from pending journals."""
