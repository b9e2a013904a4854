"""The metric of a study: its full name and the better direction."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

from statewright.planning.holdout import holdouts, require_unread
from statewright.planning.metric_names import find_metric, unknown_metric
from statewright.planning.plan import SKIP
from statewright.reads.store import load_reads
from statewright.repository.metrics import with_definitions
from statewright.session import Session
from statewright.tuning.study import MAXIMUM, MINIMUM
from statewright.workflow import WorkflowError, overlaps

OPTION = "--metric"

_LOWER = """
    loss error errors err rmse mse mae mape smape rmsle msle nll logloss perplexity ppl brier wer cer fid
    deviance regret cost crps ece hinge divergence distance latency seconds time duration residual
    """
_HIGHER = """
    accuracy acc auc auroc auprc roc ap f1 precision recall sensitivity specificity r2 map ndcg mrr hits
    bleu rouge meteor iou dice jaccard kappa mcc reward likelihood gain silhouette correlation spearman
    pearson coverage throughput score
    """
LOWER, HIGHER = frozenset(_LOWER.split()), frozenset(_HIGHER.split())
"""Words of a metric's key that tell which direction is better."""


def resolve_metric(session: Session, name: str) -> str:
    """Return a metric as ``file:key``.

    Parameters
    ----------
    session : Session
        Planned with the target, so that its plan has the stages of a trial.
    name : str
        ``file:key``, or its end if that is unique.

    Raises
    ------
    WorkflowError
        If no stage of the trial writes the metric, several metrics have the name, or it is a holdout.
    """
    makers = metrics_files(session)
    known = [metric for metric in session.state.metrics if _maker(metric.rpartition(":")[0], makers)]
    name = _from_root(session, name, makers)
    metric = find_metric(name, known, OPTION) or _future_metric(session, name, makers, known)
    file = metric.rpartition(":")[0]
    maker = _maker(file, makers)
    if maker is None:
        raise _unwritten(session, name, file, makers)
    refuse_holdouts(session, file)
    return metric


def refuse_holdouts(session: Session, file: str) -> None:
    """Raise an error if a holdout is the metric, or is read by a stage.

    Raises
    ------
    WorkflowError
        As `require_unread`.
    """
    for path, producer in holdouts(session.workflow).items():
        if overlaps(path, file):
            raise WorkflowError(
                f"{OPTION}: {file} is a holdout of stage '{producer}', which no search may read; choose a "
                f"metric of the validation data, or remove {path} from meta.holdout"
            )
    reads = load_reads(session.repository.root).known(session.workflow)
    require_unread(session.workflow, session.targets, reads)


def metrics_files(session: Session) -> dict[str, str]:
    """Return the declared metrics files of the stages of a trial: path -> stage."""
    files = {}
    for address in session.plan.decisions:
        stage = with_definitions(session.repository, session.workflow.stages[address])
        files.update({out.path: address for out in stage.outs if out.role == "metric"})
    return files


def _from_root(session: Session, name: str, makers: Mapping[str, str]) -> str:
    """Return a name with the path from the root instead of the user's folder."""
    file, colon, key = name.rpartition(":")
    path = posixpath.normpath(posixpath.join(session.repository.below, file))
    return f"{path}:{key}" if colon and not _maker(file, makers) and _maker(path, makers) else name


def _maker(file: str, makers: Mapping[str, str]) -> str | None:
    """Return the stage that writes a metrics file; a folder stands for its files."""
    return next((a for path, a in makers.items() if file == path or file.startswith(f"{path}/")), None)


def _future_metric(session: Session, name: str, makers: Mapping[str, str], known: Collection[str]) -> str:
    """Return the name of a metric that a stage may write when it runs.

    Raises
    ------
    WorkflowError
        If its file is up to date and lacks the key, or it is not clear which file it is.
    """
    file, colon, key = name.rpartition(":")
    if not makers:
        raise WorkflowError(
            f"{OPTION} {name}: no stage of the target declares a metrics file; add "
            "`metrics: [FILE.json]` to a stage in dvc.yaml"
        )
    if not colon and len(makers) == 1:
        file = next(iter(makers))
    maker = _maker(file, makers)
    if maker is None and colon:
        raise _unwritten(session, name, file, makers)
    if maker is None and not known:
        raise WorkflowError(
            f"{OPTION} {name}: no metrics file exists yet, so the whole name is needed, as in "
            f"{OPTION} {next(iter(makers))}:{key}"
        )
    pending = maker is not None and session.plan.decisions[maker].verdict != SKIP
    if not pending:
        raise unknown_metric(name, known, OPTION)
    if any(metric.startswith(f"{file}:") for metric in known):
        step = f"if {maker} writes it now, `statewright run {maker}` first"
        raise WorkflowError(f"{unknown_metric(name, known, OPTION)}; {step}")
    return f"{file}:{key}"


def _unwritten(session: Session, name: str, file: str, makers: Mapping[str, str]) -> WorkflowError:
    others = [
        address
        for address, stage in session.workflow.stages.items()
        if any(out.path == file for out in with_definitions(session.repository, stage).outs)
    ]
    if others:
        step = f"stage '{others[0]}' writes it: `statewright tune {others[0]} {OPTION} {name}`"
    else:
        step = f"they write {', '.join(makers) or 'no metrics file'}"
    return WorkflowError(f"{OPTION} {name}: no stage of the target writes {file}; {step}")


def assumed_direction(metric: str) -> str | None:
    """Return the better direction by the words of a key; None if they do not tell."""
    key = metric.rpartition(":")[2]
    for text in (key.rpartition(".")[2], key):
        words = set(re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", text).lower()))
        low, high = bool(words & LOWER), bool(words & HIGHER)
        if low != high:
            return MINIMUM if low else MAXIMUM
        if low:
            return None
    return None
