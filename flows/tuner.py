"""The tuner pipeline as a Prefect flow; see ``flows/pipeline.py``."""

from __future__ import annotations

from flows.pipeline import flow, update


@flow(name="tuner")
def tuner(
    workers: int = 2, set_params: list[str] | None = None, force: bool = False, on: str | None = None
) -> None:
    """Bring every stage of the tuner pipeline up to date."""
    update("tuner", workers, set_params, force, on)


if __name__ == "__main__":
    tuner()
