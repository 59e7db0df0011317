"""The daemon's log: on standard error, for people or (`--log-json`) for programs.

The rule kept here: quiet by default; a line names the client or object it is about.
"""

from __future__ import annotations

import logging
import os
import sys

_LEVELS = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


def set_up(level: str, as_json: bool) -> logging.Logger:
    """The daemon's logger, writing from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logger = logging.getLogger("virtory")
    logger.handlers[:] = [handler]
    logger.propagate = False
    set_level(level)
    return logger


def whereabouts() -> str:
    """Where what is logged can be read, as far as this process can know."""
    if "JOURNAL_STREAM" in os.environ:
        return "journalctl -u virtoryd"
    try:
        path = os.readlink("/proc/self/fd/2")
    except OSError:
        path = ""
    return path if path.startswith("/") and not path.startswith("/dev/") else "its standard error"


def set_level(level: str) -> None:
    """Log from `level` on."""
    logging.getLogger("virtory").setLevel(_LEVELS[level])


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import json
        from datetime import UTC, datetime

        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
