"""Log messages of DVC: errors only, without progress bars and secrets."""

from __future__ import annotations

import logging
import os

from statewright.masking import mask_command, secret_values

LOGGERS = ("dvc", "dvc_data", "dvc_objects")
"""Loggers to which DVC adds handlers when it is imported."""
PROGRESS_LOGGERS = ("dvc.progress", "dvc_data.callbacks")
"""DVC draws a progress bar where the level of these loggers allows errors."""


class MaskingFormatter(logging.Formatter):
    """Format a message as another formatter does, and replace the secrets in it.

    A message can quote the URL of a remote, the command of a stage, or the error of a library that has
    the value of a variable. So the text is masked as a whole, with the causes that DVC adds to it.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted message without secrets."""
        return mask_command(self._formatter.format(record), secret_values(os.environ))


def set_up_loggers() -> None:
    """Let DVC log errors only, without progress bars and secrets.

    A second call changes nothing.
    """
    logging.getLogger("dvc").setLevel(logging.ERROR)
    for name in PROGRESS_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if not isinstance(handler.formatter, MaskingFormatter):
                handler.setFormatter(MaskingFormatter(handler.formatter or logging.Formatter()))
