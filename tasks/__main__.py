"""Command of every stage in ``dvc.yaml``: ``python -m tasks STAGE``."""

from statewright.functions.runner import main

if __name__ == "__main__":
    main(__package__)
