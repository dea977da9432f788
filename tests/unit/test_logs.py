"""Logs hold ids, codes and durations: one JSON object a line, no message of an exception, nothing that people typed."""

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.logs import JsonFormatter, configure

ROOT = Path(__file__).parents[2]
TYPED = "Mrs Example was found on the floor"


def line_of(level: int = logging.INFO, message: str = "said", *arguments: Any, **more: Any) -> dict[str, Any]:
    """What one record becomes."""
    logger = logging.getLogger("test")
    record = logger.makeRecord("test", level, __file__, 1, message, arguments, more.pop("exc_info", None), extra=more)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


def caught(error: Exception) -> Any:
    try:
        raise error
    except Exception:  # noqa: BLE001 - any will do
        return sys.exc_info()


def test_a_line_says_when_how_grave_who_and_what() -> None:
    line = line_of(logging.WARNING, "publishing interrupted", service="intake", attempt=3)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "WARNING", "logger": "test", "message": "publishing interrupted", "service": "intake", "attempt": 3,
    }  # fmt: skip


def test_an_exception_is_named_by_class_and_place_without_its_message() -> None:
    line = line_of(logging.ERROR, "failed", exc_info=caught(ValueError(TYPED)))
    assert line["error"] == "ValueError"
    assert "test_logs.py:" in line["frames"][-1]
    assert TYPED not in json.dumps(line)


def test_neither_the_cause_nor_the_context_of_an_exception_is_told() -> None:
    try:
        try:
            raise KeyError(TYPED)
        except KeyError as cause:
            raise RuntimeError(f"because {TYPED}") from cause
    except RuntimeError:
        line = line_of(logging.ERROR, "failed", exc_info=sys.exc_info())
    assert line["error"] == "RuntimeError"
    assert TYPED not in json.dumps(line)


def test_a_traceback_that_another_formatter_left_is_not_told() -> None:
    record = logging.getLogger("test").makeRecord("test", logging.ERROR, __file__, 1, "failed", (), None)
    record.exc_info, record.exc_text, record.stack_info = caught(ValueError(TYPED)), TYPED, TYPED
    assert TYPED not in JsonFormatter().format(record)


@given(st.text(), st.text(), st.integers())
def test_every_record_is_one_line_of_json(message: str, value: str, number: int) -> None:
    line = line_of(logging.INFO, "%s", message, value=value, number=number)
    assert (line["message"], line["value"], line["number"]) == (message, value, number)


def test_what_json_does_not_know_is_told_as_text() -> None:
    known = UUID(int=7)
    assert line_of(event_id=known, place=Path("a"))["event_id"] == str(known)


def test_private_attributes_are_left_out() -> None:
    assert "_inner" not in line_of(_inner=TYPED)


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    """Puts the logging of the test run back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = ("kafka", "kafka.net", "httpx", "httpcore", "uvicorn.access", "alembic")
    levels = {name: logging.getLogger(name).level for name in named}
    root.handlers[:] = []  # `configure` closes what it finds
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.usefixtures("_logging_as_it_was")
def test_a_configured_process_writes_lines_and_keeps_the_noisy_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", service="intake")
    logging.getLogger("uvicorn.access").info("GET /incidents?narrative=%s", TYPED)
    logging.getLogger("kafka.net").warning("paused")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=caught(ValueError(TYPED)))
    written = capsys.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["message"] for line in lines] == ["process starts", "Exception in ASGI application"]
    assert lines[0]["service"] == "intake"
    assert TYPED not in written


FIELDS = {
    "activity", "address", "attempt", "channel", "clock", "consumer", "error", "event_id", "frames", "lane", "offset", "path",
    "recorded", "role", "service", "sqlstate", "status", "topic", "version", "webhook_id",
}  # fmt: skip
"""Everything that a log line of ours may say beside its message. A new name needs a look: can people have typed it?"""


def logged() -> Iterator[tuple[str, ast.Call]]:
    for folder in ("services", "workflows"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "logger"
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_messages_are_fixed_texts_and_fields_are_of_the_list() -> None:
    calls = list(logged())
    assert len(calls) > 10
    for place, call in calls:
        assert len(call.args) == 1, f"{place}: a message takes no arguments; say it in `extra`"
        assert isinstance(call.args[0], ast.Constant), f"{place}: the message is put together"
        for keyword in call.keywords:
            if keyword.arg == "extra":
                assert isinstance(keyword.value, ast.Dict), place
                names = {key.value for key in keyword.value.keys if isinstance(key, ast.Constant)}
                assert names <= FIELDS, f"{place}: {names - FIELDS}"


def test_nothing_is_printed() -> None:
    for folder in ("services", "workflows"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
            printing = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
            assert not printing or path.name == "generate.py", path
