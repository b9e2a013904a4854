"""Prefect flows of the pipelines, for schedules and deployments."""
