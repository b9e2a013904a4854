"""The releaf pipeline as a Prefect flow.

``prefect deploy --all`` registers it with the schedule of ``prefect.yaml``; ``python -m
flows.releaf`` runs it once. ``statewright run`` runs the same stages without a deployment.
"""

from __future__ import annotations

from pathlib import Path

from statewright import session  # first: it switches off telemetry that starts with prefect

# isort: split
from prefect import flow

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("releaf-report",)


@flow(name="releaf")
def releaf(workers: int = 2, set_params: list[str] | None = None, force: bool = False) -> None:
    """Bring every stage of the releaf pipeline up to date.

    Parameters
    ----------
    workers : int
        Cores to use, and so stages side by side.
    set_params : list of str, optional
        Changes of ``params.yaml`` to make first, as ``releaf.preprocess.salt=other``.
    force : bool
        Run the report even if nothing changed.

    Raises
    ------
    TransitionFailedError
        If a stage failed: its name, cause and log.
    """
    session.run(ROOT, TARGETS, workers=workers, assignments=set_params or (), force=force, name="releaf")


if __name__ == "__main__":
    releaf()
