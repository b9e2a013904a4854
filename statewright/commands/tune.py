"""The command that searches for params."""

from __future__ import annotations

import argparse
from pathlib import Path


def tune(options: argparse.Namespace) -> int:
    """Search for the params with the best metric."""
    from statewright.tuning.driver import Hooks
    from statewright.tuning.driver import tune as search
    from statewright.tuning.pruning import Pruner
    from statewright.tuning.recording import Recording
    from statewright.tuning.setup import Search

    recording = Recording(options.experiments)
    pruner = None if options.prune is None else Pruner(options.prune)
    hooks = Hooks(
        begun=(*((pruner.begun,) if pruner else ()), recording.begun),
        finished=(*((pruner.finished,) if pruner else ()), recording.finished),
        ended=(recording.ended,),
        prune=pruner,
    )
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
        hooks,
    )
