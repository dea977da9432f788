"""Logs as one JSON object a line: ids, codes and durations. No message of a driver, no body, no header is logged."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from services.runtime import tracing

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One line for each record; an exception is named by its class and place, not by its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (trace := tracing.trace_id()) is not None:
            line["trace"] = trace
        line.update({k: v for k, v in record.__dict__.items() if k not in _STANDARD and not k.startswith("_")})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            tb, where = record.exc_info[2], []
            while tb is not None:
                where.append(f"{tb.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{tb.tb_lineno}")
                tb = tb.tb_next
            line["frames"] = where[-8:]
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str, *, service: str) -> None:
    """Send all logs of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("kafka.net").setLevel(logging.ERROR)  # warns of every pause of a busy machine
    for server in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # it may have set up its own before
        logger = logging.getLogger(server)
        logger.handlers, logger.propagate = [], True
    for noisy in ("kafka", "httpx", "httpcore", "uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger(__name__).info("process starts", extra={"service": service})
