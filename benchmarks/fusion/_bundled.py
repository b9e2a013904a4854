"""Tables of scikit-learn and statsmodels, in two or more modalities each.

Rules are developed on these sets, so that no rule is set by a figure that is reported for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from methods.fusion.choice import Data
from methods.fusion.views import CLASSIFICATION, REGRESSION, Problem, rows_of

MOST = 1500
"""Maximum number of rows of a set, drawn at random."""


def bundled() -> dict[str, Data]:
    """Return the sets by name."""
    return {name: _fewer(data) for name, data in (_scikit_learn() | _statsmodels()).items()}


def _scikit_learn() -> dict[str, Data]:
    from sklearn import datasets

    tumours = datasets.load_breast_cancer(as_frame=True).frame
    parts = {
        part: [c for c in tumours if c.startswith(part) or c.endswith(part)]
        for part in ("mean", "error", "worst")
    }
    images, digit = datasets.load_digits(return_X_y=True)
    pixels = images.reshape(-1, 8, 8)
    quarters = {
        f"{vertical}-{horizontal}": pixels[:, rows, columns].reshape(len(images), -1).astype(float)
        for vertical, rows in (("upper", slice(0, 4)), ("lower", slice(4, 8)))
        for horizontal, columns in (("left", slice(0, 4)), ("right", slice(4, 8)))
    }
    diabetes = datasets.load_diabetes(as_frame=True).frame
    wine = datasets.load_wine(as_frame=True).frame
    colour = ["color_intensity", "hue", "od280/od315_of_diluted_wines"]
    phenols = ["total_phenols", "flavanoids", "nonflavanoid_phenols", "proanthocyanins"]
    body = ["age", "sex", "bmi", "bp"]
    return {
        "tumours": _data(tumours, parts, "target", CLASSIFICATION),
        "small digits, quarters": Data(quarters, digit.astype(float), Problem(CLASSIFICATION, 10)),
        "diabetes": _data(
            diabetes, {"body": body, "serum": [f"s{i}" for i in range(1, 7)]}, "target", REGRESSION
        ),
        "wine": _data(
            wine,
            {"colour": colour, "phenols": phenols, "other": _others(wine, ["target", *colour, *phenols])},
            "target",
            CLASSIFICATION,
        ),
    }


def _statsmodels() -> dict[str, Data]:
    from statsmodels import datasets

    election = datasets.anes96.load_pandas().data
    marriage = datasets.fair.load_pandas().data.assign(
        unfaithful=lambda frame: (frame["affairs"] > 0).astype(float)
    )
    schools = datasets.star98.load_pandas().data.assign(
        share=lambda frame: frame["NABOVE"] / (frame["NABOVE"] + frame["NBELOW"])
    )
    health = datasets.randhie.load_pandas().data.assign(visits=lambda frame: np.log1p(frame["mdvis"]))
    person, pupils = ["age", "educ", "income", "logpopul"], ["LOWINC", "PERASIAN", "PERBLACK", "PERHISP"]
    insurance = ["lncoins", "idp", "lpi", "fmde"]
    return {
        "election": _data(
            election,
            {"person": person, "opinion": ["TVnews", "selfLR", "ClinLR", "DoleLR"]},
            "vote",
            CLASSIFICATION,
        ),
        "marriage": _data(
            marriage,
            {
                "person": ["age", "religious", "educ", "occupation"],
                "couple": ["rate_marriage", "yrs_married", "children", "occupation_husb"],
            },
            "unfaithful",
            CLASSIFICATION,
        ),
        "schools": _data(
            schools,
            {
                "pupils": pupils,
                "teachers": ["PERMINTE", "AVYRSEXP", "AVSALK", "PERSPENK", "PTRATIO"],
                "courses": ["PCTAF", "PCTCHRT", "PCTYRRND"],
            },
            "share",
            REGRESSION,
        ),
        "visits": _data(
            health,
            {"insurance": insurance, "health": ["physlm", "disea", "hlthg", "hlthf", "hlthp"]},
            "visits",
            REGRESSION,
        ),
    }


def _data(frame: pd.DataFrame, parts: Mapping[str, Sequence[str]], target: str, task: str) -> Data:
    views = {name: frame[list(columns)].to_numpy(float) for name, columns in parts.items()}
    y = frame[target].to_numpy(float)
    problem = Problem(CLASSIFICATION, len(np.unique(y))) if task == CLASSIFICATION else Problem(REGRESSION, 0)
    return Data(views, y, problem)


def _others(frame: pd.DataFrame, used: Sequence[str]) -> list[str]:
    return [column for column in frame if column not in used]


def _fewer(data: Data) -> Data:
    rows = np.random.default_rng(0).permutation(rows_of(data.views))[:MOST]
    return data.take(np.sort(rows))
