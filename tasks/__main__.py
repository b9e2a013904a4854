"""Run one stage: ``python -m tasks STAGE`` is the command of every stage in ``dvc.yaml``."""

from statewright.functions.runner import main

if __name__ == "__main__":
    main(__package__)
