"""Train neural models: one loop, and what it is built of.

`fit` trains a model in place. `schedule` has the learning rates, `checkpoint` the files from which a killed
training resumes, `randomness` the seeds and states of generators, `memory` gradient checkpointing, and
`distributed` trainings in several processes.
"""

from methods.training.checkpoint import Checkpoint
from methods.training.loop import Fit, Objective, Settings, Validation, fit
from methods.training.memory import recompute_layers
from methods.training.randomness import seeded, shuffled
from methods.training.schedule import Cosine, Plateau
from methods.training.state import Epoch

__all__ = [
    "Checkpoint",
    "Cosine",
    "Epoch",
    "Fit",
    "Objective",
    "Plateau",
    "Settings",
    "Validation",
    "fit",
    "recompute_layers",
    "seeded",
    "shuffled",
]
