"""Run of one pipeline for its Prefect flow.

``prefect deploy --all`` registers the flows with the schedules of ``prefect.yaml``; ``python -m
flows.emotion`` runs one of them. ``statewright run`` runs the same stages without a deployment.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from statewright import session
from statewright.request import Request

__all__ = ["flow", "update"]

ROOT = Path(__file__).resolve().parent.parent


def update(
    pipeline: str, workers: int, set_params: list[str] | None, force: bool, on: str | None = None
) -> None:
    """Bring ``PIPELINE-report`` and every stage before it up to date.

    Parameters
    ----------
    pipeline : str
        First part of the names of its stages in ``dvc.yaml``.
    workers : int
        Cores to use, and so the number of stages that run side by side.
    set_params : list of str, optional
        Changes of ``params.yaml`` to make first, such as ``emotion.train.lr=1e-3``.
    force : bool
        Run every stage even if nothing changed, as ``dvc repro --force`` does.
    on : str, optional
        Run the stages on a Dask cluster, such as ``dask=tcp://HOST:8786``.

    Raises
    ------
    TransitionFailedError
        If a stage failed, with its name, cause and log.
    """
    request = Request((f"{pipeline}-report",), force=force)
    session.run(ROOT, request, workers=workers, assignments=set_params or (), name=pipeline, on=on)
