"""The pipelines as Prefect flows, for schedules and deployments."""

from statewright.environment import quiet

quiet()  # before a module of this package imports prefect, which starts its telemetry
