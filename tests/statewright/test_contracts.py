"""Checks of values against contracts, and their error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from statewright.contracts import ContractError, Document, Feedback, Params, Shapes, Table, Tensors, check

pa = pytest.importorskip("pandera.pandas")


class Careers(pa.DataFrameModel):
    artist: str
    year: int = pa.Field(ge=1900, le=2100)
    valence: float = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 1})

    class Config:
        strict = True
        unique = ("artist", "year")


class Score(Document):
    rmse: float
    parts: dict[str, float] = Field(default_factory=dict)


class TrainParams(Params):
    rate: float = Field(gt=0)
    epochs: int = 3


GOOD = pd.DataFrame({"artist": ["a", "a", "b"], "year": [1990, 1991, 1990], "valence": [0.1, None, 0.3]})


def test_a_valid_table_is_returned() -> None:
    pd.testing.assert_frame_equal(check(GOOD, Table[Careers], "careers.parquet"), GOOD)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (GOOD.drop(columns="year"), ["year"]),
        (GOOD.assign(more=1), ["more"]),
        (GOOD.assign(year=[1990, 1850, 2200]), ["column 'year'", "1850 in rows 1", "2200 in rows 2"]),
        (GOOD.assign(year=["x", "y", "z"]), ["column 'year'", "int64"]),
        (GOOD.assign(artist=["a", None, "b"]), ["column 'artist'", "rows 1"]),
        (GOOD.assign(valence=[0.1, 5.0, 0.2]), ["column 'valence'", "5.0", "rows 1"]),
        (GOOD.assign(year=[1990, 1990, 1990]), ["rows 0, 1"]),
    ],
    ids=["missing column", "column too many", "out of range", "dtype", "null", "huge", "duplicate key"],
)
def test_an_invalid_table_is_refused_with_column_and_row(frame: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(ContractError) as error:
        check(frame, Table[Careers], "careers.parquet")
    text = str(error.value)
    assert text.startswith("careers.parquet breaks the contract Careers:\n")
    for word in words:
        assert word in text


def test_all_faults_are_reported_at_once_with_few_rows() -> None:
    frame = pd.DataFrame({"artist": [f"a{n}" for n in range(20)], "year": 1800, "valence": 2.0})
    with pytest.raises(ContractError) as error:
        check(frame, Table[Careers], "careers.parquet")
    text = str(error.value)
    assert "column 'year'" in text and "column 'valence'" in text
    assert "rows 0, 1, 2, 3, 4, 5, 6, 7 and more" in text


def test_a_document_is_parsed_from_json_values() -> None:
    assert check({"rmse": 0.5, "parts": {"joy": 1}}, Score, "score.json") == Score(
        rmse=0.5, parts={"joy": 1.0}
    )
    score = Score(rmse=1)
    assert check(score, Score, "score.json") is score


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, ["rmse", "required"]),
        ({"rmse": "bad"}, ["rmse", "'bad'"]),
        ({"rmse": 1, "more": 2}, ["more", "not permitted"]),
        ({"rmse": 1, "parts": {"joy": "x"}}, ["parts.joy"]),
        ([1], ["document"]),
        (None, ["document"]),
    ],
)
def test_an_invalid_document_is_refused_with_its_key(value: Any, words: list[str]) -> None:
    with pytest.raises(ContractError) as error:
        check(value, Score, "score.json")
    assert str(error.value).startswith("score.json breaks the contract Score:\n")
    for word in words:
        assert word in str(error.value)


def test_params_are_typed_and_immutable() -> None:
    params = check({"rate": 0.5}, TrainParams, "params.yaml: emotion.train")
    assert (params.rate, params.epochs) == (0.5, 3)
    with pytest.raises(ValueError, match="frozen"):
        params.rate = 1
    for value, word in [
        ({"rate": 0}, "greater than 0"),
        ({"rate": 1, "epoch": 1}, "epoch"),
        (None, "TrainParams"),
    ]:
        with pytest.raises(ContractError, match=word):
            check(value, TrainParams, "params.yaml: emotion.train")


def tensors(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape) for name, shape in shapes.items()}


LAYER = Annotated[Tensors, Shapes({"weight": ("out", "in"), "bias": ("out",), "mean": ("in",), "pair": (2,)})]


def test_arrays_whose_dimensions_agree_are_accepted() -> None:
    value = tensors(weight=(3, 4), bias=(3,), mean=(4,), pair=(2,))
    assert check(value, LAYER, "model.safetensors") is value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (tensors(weight=(3, 4), bias=(3,), pair=(2,)), "'mean' is missing"),
        (tensors(weight=(3, 4), bias=(5,), mean=(4,), pair=(2,)), "'bias': dimension 'out' is 5, expected 3"),
        (tensors(weight=(3, 4), bias=(3,), mean=(4,), pair=(3,)), "'pair': dimension '2' is 3, expected 2"),
        (tensors(weight=(3,), bias=(3,), mean=(4,), pair=(2,)), r"'weight' has shape \(3,\)"),
        (
            tensors(weight=(3, 4), bias=(3,), mean=(4,), pair=(2,), extra=(1,)),
            "'extra' is not in the contract",
        ),
        ([1, 2], "expected named arrays, found list"),
    ],
)
def test_arrays_whose_dimensions_disagree_are_refused_with_their_name(value: Any, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        check(value, LAYER, "model.safetensors")


def test_more_arrays_are_accepted_if_the_contract_allows_them() -> None:
    value = tensors(weight=(1, 1), extra=(9,))
    assert check(value, Annotated[Tensors, Shapes({"weight": ("a", "b")}, more=True)], "m") is value


@pytest.mark.parametrize(("value", "kind"), [("<html>", str), (b"png", bytes), (Path("folder"), Path)])
def test_plain_values_are_checked_for_their_type(value: Any, kind: type) -> None:
    assert check(value, kind, "report") is value
    with pytest.raises(ContractError, match=f"expected {kind.__name__}, found int"):
        check(3, kind, "report")


def test_a_list_is_not_a_table_and_int_is_not_a_contract() -> None:
    with pytest.raises(ContractError, match="expected a table, found list"):
        check([1], Table[Careers], "careers.parquet")
    with pytest.raises(ContractError, match="is not a contract; use"):
        check(3, int, "x")
    assert check(3, Any, "x") == 3


def test_feedback_is_strict() -> None:
    value = {"stop": False, "reason": "r", "score": 1.0, "patch": [{"key": "a", "was": 1, "now": 2}]}
    assert check(value, Feedback, "f").patch[0].now == 2
    with pytest.raises(ContractError, match=r"patch\.0\.now"):
        check({**value, "patch": [{"key": "a", "was": 1}]}, Feedback, "f")
