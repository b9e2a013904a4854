"""Errors of invalid options of ``python -m service serve``."""

from __future__ import annotations

import pytest

from service.__main__ import main


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--batch-texts", "0", "expected a whole number of 1 or more"),
        ("--batch-photographs", "many", "expected a whole number of 1 or more"),
        ("--rate", "-1", "expected a number of 0 or more"),
        ("--rate", "fast", "expected a number of 0 or more"),
    ],
)
def test_the_error_names_the_expected_value(
    capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", option, value])
    assert f"{option}: '{value}': {message}" in capsys.readouterr().err
