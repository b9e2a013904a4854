"""Command of every stage in ``dvc.yaml``: ``python -m tasks STAGE``."""

import os

from tasks import kernels  # first: it acts on libraries that are loaded later

if __name__ == "__main__":
    kernels.start(__package__)

from statewright.functions.runner import main

if __name__ == "__main__":
    # The weights of these pipelines are installed packages: no stage asks a model hub.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main(__package__)
