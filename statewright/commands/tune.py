"""The command that searches for params."""

from __future__ import annotations

import argparse
from pathlib import Path


def tune(options: argparse.Namespace) -> int:
    """Search for the params with the best metric."""
    from statewright.tuning.driver import tune as search
    from statewright.tuning.setup import Search

    return search(
        Path.cwd(),
        Search(
            target=options.target,
            metric=options.metric,
            space=Path(options.space).absolute() if options.space else None,
            direction=options.direction,
            sampler=options.sampler,
            budget=options.budget,
            workers=options.workers,
            seed=options.seed,
            seed_param=options.seed_param,
            patience=options.patience,
            stop_at=options.stop_at,
            name=options.name,
            resume=options.resume,
            apply=options.apply,
            quiet=options.verbosity < 0,
        ),
    )
