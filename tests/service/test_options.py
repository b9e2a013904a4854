"""Options of ``python -m service serve`` that make no sense are refused in words."""

from __future__ import annotations

import pytest

from service.__main__ import main


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--batch-texts", "0", "expected a whole number of 1 or more"),
        ("--batch-photographs", "many", "expected a whole number of 1 or more"),
        ("--rate", "-1", "expected a number of 0 or more"),
        ("--rate", "fast", "expected a number of 0 or more"),
    ],
)
def test_what_is_expected_is_said(
    capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", option, value])
    assert f"{option}: '{value}': {said}" in capsys.readouterr().err
