"""The pipelines as Prefect flows: a few lines each, for schedules and deployments."""
