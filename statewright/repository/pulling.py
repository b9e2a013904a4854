"""Fetch missing data from the remote storage, as ``dvc repro --pull`` does.

The callers hold the repository's lock. DVC's commands would wait for it, so they run as if they were
inside of another command of DVC, which holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dvc.exceptions import CheckoutError, DvcException
from dvc.repo import Repo
from dvc.stage import Stage as DvcStage

from statewright.masking import mask_text
from statewright.repository.declaration import Repository
from statewright.repository.errors import translate_errors


def fetch_run_cache(repository: Repository) -> str | None:
    """Fetch the run cache of the remote; return a message if it has none to offer."""
    from dvc.stage.cache import RunCacheNotSupported

    repository.run_cache_fetched = True
    with repository.locked(), translate_errors("--pull"):
        try:
            repository.repo.stage_cache.pull(None)
        except RunCacheNotSupported as error:
            return f"the run cache was not fetched: {mask_text(str(error))}"
    return None


def pull_outputs(stage: DvcStage) -> bool:
    """Fetch and check out the outputs of a stage; return whether that succeeded."""
    with _inside_command(stage.repo):
        try:
            stage.repo.pull(stage.addressing)
            stage.checkout()
        except CheckoutError:
            return False
    return True


def pull_inputs(stage: DvcStage) -> None:
    """Fetch the missing dependencies of a stage.

    DVC reports a dependency that it does not track when it saves the dependencies.
    """
    with _inside_command(stage.repo):
        for dep in stage.deps:
            if dep.protocol == "local" and dep.fs_path and not dep.exists:
                with suppress(DvcException):
                    stage.repo.pull(dep.fs_path)


@contextmanager
def _inside_command(repo: Repo) -> Iterator[None]:
    repo._lock_depth += 1
    try:
        yield
    finally:
        repo._lock_depth -= 1
