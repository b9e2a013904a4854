"""Stage `train`: fit a line to training.csv; replace it with your model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

data = pd.read_csv("training.csv").dropna()
slope, level = np.polyfit(data["area"], data["price"], 1)
Path("model.json").write_text(json.dumps({"slope": slope, "level": level, "rows": len(data)}) + "\n")
