"""A stage's record without secrets: command, params, reasons and log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from statewright.files import replacing
from statewright.masking import mask_command, mask_text, mask_value
from statewright.record.tracking import StageRecord


def mask_record(done: StageRecord) -> StageRecord:
    """Return a record without secrets; see `statewright.masking`."""
    trials = done.stage.settings.trials
    stage = replace(
        done.stage,
        cmd=tuple(mask_command(line) for line in done.stage.cmd),
        desc=mask_text(done.stage.desc),
        # The rest is not recorded, and may hold secrets.
        meta=None if trials is None else {"trials": trials},
    )
    return replace(
        done,
        stage=stage,
        params={key: mask_value(key, value) for key, value in done.params.items()},
        inputs=_mask_names(done.inputs),
        outputs=_mask_names(done.outputs),
        datasets=tuple(replace(data, path=mask_text(data.path)) for data in done.datasets),
        reasons=tuple(mask_text(reason) for reason in done.reasons),
    )


def _mask_names(hashes: Mapping[str, Any]) -> dict[str, Any]:
    """Mask the URL of a remote dependency."""
    return {mask_text(name): value for name, value in hashes.items()}


def mask_log(path: Path, values: Collection[str]) -> None:
    """Replace secrets in the log of a stage that has ended.

    A log without secrets is not written.

    Parameters
    ----------
    values : collection of str
        Secrets to search for; passwords of URLs are masked without.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
        if all(line == mask_text(line, values) for line in lines):
            return
    with (
        replacing(path) as temporary,
        path.open(encoding="utf-8", errors="surrogateescape", newline="") as lines,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as sink,
    ):
        sink.writelines(mask_text(line, values) for line in lines)
