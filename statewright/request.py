"""The stages of a command and how it treats them: options of ``dvc repro``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AUTO = "auto"
"""Number of workers that stands for the cores of the machine."""


@dataclass(frozen=True)
class Request:
    """Stages to take; by default those of the user's `dvc.yaml`, and what they need.

    Each field has the meaning of DVC's option of the same name, where DVC has one.

    Parameters
    ----------
    targets : tuple of str
        Stages, `dvc.yaml` and `.dvc` files, outputs or pipelines.
    all_pipelines : bool
        Take every stage of the repository; `targets` are ignored.
    pipeline : bool
        Take all stages that are connected with the targets.
    single_item : bool
        Take the targets only, not the stages that they need.
    downstream : bool
        Take the targets and the stages that depend on them, not those that they need.
    recursive : bool
        Take the stages in the folders that `targets` name.
    glob : bool
        Read `targets` as patterns of stage names.
    force : bool
        Run every taken stage, even if nothing changed.
    force_downstream : bool
        Also run the stages that depend on a stage that ran, even if their inputs did not change.
    interactive : bool
        Ask before each stage; DVC's setting `core.interactive` has the same effect.
    ignore_errors : bool
        Run the stages that depend on a failed stage too, and count no failure.
    commit : bool
        Whether to store outputs in the cache.
    pull : bool or None
        Fetch missing data and earlier results from the remote storage; None for the repository's setting.
    push : bool or None
        Send the results of the run to the remote storage; None for the repository's setting. Not in DVC.
    allow_missing : bool
        Skip a stage whose only change is missing data.
    strict_environment : bool
        Run stages whose outputs were made with other software than is installed now; not in DVC.
    run_cache : bool
        Whether to restore results of earlier runs with the same command and inputs.
    """

    targets: tuple[str, ...] = ()
    all_pipelines: bool = False
    pipeline: bool = False
    single_item: bool = False
    downstream: bool = False
    recursive: bool = False
    glob: bool = False
    force: bool = False
    force_downstream: bool = False
    interactive: bool = False
    ignore_errors: bool = False
    commit: bool = True
    pull: bool | None = None
    push: bool | None = None
    allow_missing: bool = False
    strict_environment: bool = False
    run_cache: bool = True

    @property
    def only_targets(self) -> bool:
        """True if ``--single-item`` has an effect."""
        return self.single_item and not (self.all_pipelines or self.pipeline)

    @property
    def beyond_targets(self) -> bool:
        """True if more stages are asked for than those that the targets name."""
        return not self.targets or self.all_pipelines or self.pipeline or self.downstream

    @property
    def with_ancestors(self) -> bool:
        """True if the targets are plain names, taken with all stages that they need."""
        return not (self.pipeline or self.single_item or self.downstream or self.recursive or self.glob)


EVERYTHING = Request(all_pipelines=True)


def as_request(wanted: Request | Sequence[str]) -> Request:
    """Return a request.

    A sequence holds targets, and an empty one stands for every stage.
    """
    if isinstance(wanted, Request):
        return wanted
    return Request(tuple(wanted)) if wanted else EVERYTHING
