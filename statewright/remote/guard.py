"""The check that a worker makes of itself when it starts.

A module of its own, because its class derives from one of Dask, which takes long to import.
"""

from __future__ import annotations

from distributed import WorkerPlugin
from distributed.worker import Worker

from statewright.remote.environment import PACKAGE, TOPIC, difference, fingerprint


class EnvironmentGuard(WorkerPlugin):
    """Stops a worker whose environment differs from the coordinator's."""

    name = "statewright-environment"

    def __init__(self, here: dict[str, str], allow: tuple[str, ...]) -> None:
        self.here = here
        self.allow = allow

    async def setup(self, worker: Worker) -> None:
        """End this process if the environment differs; the worker has no stage yet.

        Dask logs an exception of a plugin and uses the worker nevertheless.
        """
        names = [key.removeprefix(PACKAGE) for key in self.here if key.startswith(PACKAGE)]
        if differing := difference(self.here, fingerprint(names), self.allow):
            text = f"worker {worker.address} has another environment: {', '.join(differing)}"
            await worker.scheduler.log_event(topic=TOPIC, msg=text)
            raise SystemExit(text)
