"""Interpret `meta:` of a stage, which belongs to the user.

DVC accepts any value there, and teams keep notes, owners and requests of their cluster in it. The engine
reads the keys that it understands, at the top level or in a block of its own::

    meta:
      cpu: 2
      statewright: {ram_gb: 16Gi, timeout_s: 1h}    # wins over the top level

Everything else is left alone. A value that one of these keys cannot have is ignored, and reported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OWN = "statewright"
"""Key of the block that holds settings of the engine only."""

_BYTES = {unit: 1024.0 ** (n + 1) for n, unit in enumerate(("ki", "mi", "gi", "ti"))} | {
    unit: 1000.0 ** (n + 1) for n, unit in enumerate(("k", "m", "g", "t"))
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Tolerance:
    """Largest differences of numbers that count as equal; one of both suffices.

    Parameters
    ----------
    relative : float
        Largest ``|a - b| / max(|a|, |b|)``.
    absolute : float
        Largest ``|a - b|``.
    """

    relative: float = 1e-6
    absolute: float = 0.0


@dataclass(frozen=True)
class Model:
    """A model that the stage writes, for MLflow's Logged Models.

    Parameters
    ----------
    file : str
        The output that holds it.
    name : str, optional
        Name of the model (default: the stem of the file).
    example : str, optional
        Dependency or output with rows or tensors that the model takes.
    target : tuple of str
        Columns or tensors of the example that the model predicts.
    """

    file: str
    name: str | None = None
    example: str | None = None
    target: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageSettings:
    """Settings of one stage; a field is None where `meta:` does not set it.

    Parameters
    ----------
    seconds : float, optional
        Expected duration of the command.
    preload : tuple of str
        Modules that a run imports once for all stages.
    journal : str, optional
        File of the loop's rounds, which makes the stage a feedback stage.
    show : tuple of str
        Figures and files to print at the end of a run.
    rewrites : tuple of str
        Dependencies that the command itself changes.
    tolerance : Tolerance, optional
        Differences of numbers that `verify --against` accepts.
    trials : str, optional
        Output whose rows are recorded as child runs.
    holdout : tuple of str
        Outputs that no stage of a loop may read, as under `outs`.
    headline : tuple of str
        Metrics by which runs of the pipeline are compared.
    model : tuple of Model
        Models among the outputs.
    travel : bool, optional
        Whether `run --on` may send the stage to another machine.
    ignored : tuple of str
        Sentences about values that are not understood.
    """

    cpu: float | None = None
    ram_gb: float | None = None
    gpu: float | None = None
    retries: float | None = None
    retry_delay_s: float | None = None
    timeout_s: float | None = None
    seconds: float | None = None
    preload: tuple[str, ...] = ()
    journal: str | None = None
    show: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    tolerance: Tolerance | None = None
    trials: str | None = None
    holdout: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()
    model: tuple[Model, ...] = ()
    travel: bool | None = None
    ignored: tuple[str, ...] = ()


def interpret(meta: Any) -> StageSettings:
    """Return the settings in the value of `meta:`, whatever it is."""
    if meta is None:
        return StageSettings()
    if not isinstance(meta, Mapping):
        return StageSettings(ignored=(f"meta is {_shown(meta)}, not a mapping with keys such as cpu",))
    own = meta.get(OWN)
    values: dict[str, Any] = {}
    ignored: list[str] = []
    if isinstance(own, Mapping):
        for key, value in own.items():
            if key in _KEYS:
                _set(values, ignored, key, value, f"meta.{OWN}.{key}")
            else:
                ignored.append(f"meta.{OWN}.{key} is not a setting; expected one of {', '.join(_KEYS)}")
    elif OWN in meta:
        ignored.append(f"meta.{OWN} is {_shown(own)}, not a mapping with keys such as cpu")
    # With a block of its own, the engine does not comment on the rest of `meta:`.
    elsewhere: list[str] = [] if isinstance(own, Mapping) else ignored
    for key, value in meta.items():
        if key in _KEYS and not (isinstance(own, Mapping) and key in own):
            _set(values, elsewhere, key, value, f"meta.{key}")
    return StageSettings(**values, ignored=tuple(ignored))


def _set(values: dict[str, Any], ignored: list[str], key: str, value: Any, name: str) -> None:
    """Set the value of a key, or add a sentence if it cannot be interpreted."""
    read, expected = _KEYS[key]
    try:
        values[key] = read(value)
    except (ValueError, OverflowError):
        ignored.append(f"{name} is {_shown(value)}; expected {expected}")


def _number(value: Any) -> float:
    """Return a number of 0 or more, also from its text."""
    if isinstance(value, str) and re.fullmatch(_NUMBER, value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError
    return value


def _cores(value: Any) -> float:
    """Return a number of cores; ``500m`` is half a core."""
    if isinstance(value, str) and (match := re.fullmatch(f"{_NUMBER}m", value.strip())):
        return float(match[1]) / 1000
    return _number(value)


def _gibibytes(value: Any) -> float:
    """Return an amount of memory in GiB, from a number of GiB or a text with a unit."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if match := re.fullmatch(rf"{_NUMBER}\s*([kmgt]i?)b?", text):
        return float(match[1]) * _BYTES[match[2]] / 2**30
    return _number(value)


def _duration(value: Any) -> float:
    """Return seconds, from a number or a text such as ``90s``, ``1h`` or ``1h30m``."""
    if isinstance(value, str):
        text = value.strip().lower()
        units = "|".join(sorted(_SECONDS, key=len, reverse=True))
        if re.fullmatch(rf"({_NUMBER}\s*({units})\s*)+", text):
            parts = re.findall(rf"{_NUMBER}\s*({units})", text)
            return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    return _number(value)


def _whole(value: Any) -> float:
    number = _number(value)
    if number != int(number):
        raise ValueError
    return number


def _modules(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if not all(_MODULE.fullmatch(name) for name in names):
        raise ValueError
    return names


def _texts(value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise ValueError
    return tuple(names)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _tolerance(value: Any) -> Tolerance:
    """Return a tolerance from a number, which is relative, or from a mapping."""
    if not isinstance(value, Mapping):
        return Tolerance(relative=_number(value))
    if not value or set(value) - {"relative", "absolute"}:
        raise ValueError
    return Tolerance(**{key: _number(number) for key, number in value.items()})


def _file(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _models(value: Any) -> tuple[Model, ...]:
    """Return models from a file, a mapping with the fields of `Model`, or a list."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError
    return tuple(_model(item) for item in items)


def _model(value: Any) -> Model:
    if not isinstance(value, Mapping):
        return Model(_file(value))
    if set(value) - {"file", "name", "example", "target"} or "file" not in value:
        raise ValueError
    optional = {key: _file(value[key]) for key in ("name", "example") if key in value}
    return Model(_file(value["file"]), **optional, target=_texts(value.get("target", ())))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


_DURATION = "seconds, or a text such as 90s, 10m or 1h"
_KEYS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "cpu": (_cores, "a number of cores, such as 2 or 500m"),
    "ram_gb": (_gibibytes, "a number of GiB, or a text such as 16Gi or 512Mi"),
    "gpu": (_number, "a number of GPUs"),
    "retries": (_whole, "a whole number of 0 or more"),
    "retry_delay_s": (_duration, _DURATION),
    "timeout_s": (_duration, _DURATION),
    "seconds": (_duration, _DURATION),
    "preload": (_modules, "a list of modules"),
    "journal": (_file, "a file"),
    "show": (_texts, "a list of files, or of FILE:KEY"),
    "rewrites": (_texts, "a list of dependencies"),
    "tolerance": (_tolerance, "a number, or {relative: NUMBER, absolute: NUMBER}"),
    "trials": (_file, "a CSV file among the outputs"),
    "holdout": (_texts, "a list of outputs"),
    "headline": (_texts, "a list of metrics, such as rmse or score.json:rmse"),
    "model": (_models, "an output, or {file: OUTPUT, name: NAME, example: FILE, target: COLUMNS}"),
    "travel": (_switch, "true or false"),
}
"""Key -> function that returns its value or raises `ValueError`, and the values that it expects."""


def ignored_values(settings: Mapping[str, StageSettings]) -> list[str]:
    """Return a sentence for each ignored value of the stages, by address."""
    return [f"stage '{address}': {text}" for address, value in settings.items() for text in value.ignored]


def warning(settings: Mapping[str, StageSettings]) -> str:
    """Return one line about all ignored values; empty if there are none."""
    texts = ignored_values(settings)
    if not texts:
        return ""
    more = f" (and {len(texts) - 1} more; `statewright check` lists them)" if len(texts) > 1 else ""
    return f"ignored in dvc.yaml: {texts[0]}{more}"
