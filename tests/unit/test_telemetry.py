from __future__ import annotations

import io
import json
import logging

import pytest

from xaisvc.telemetry import Event, frames, library_logs, make_logger


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_hold_event_level_time_and_fields() -> None:
    stream = io.StringIO()

    make_logger("json", "info", stream).info(Event.CALL, rows=3)

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["rows"]) == ("call", "info", 3)
    assert str(line["timestamp"]).endswith("Z")


def test_events_below_the_level_are_dropped() -> None:
    stream = io.StringIO()
    logger = make_logger("json", "warning", stream)

    logger.info(Event.CALL)
    logger.warning(Event.NO_TOKENS)

    assert [line["event"] for line in lines(stream)] == ["no_tokens"]


def test_auto_is_json_where_nobody_looks() -> None:
    stream = io.StringIO()

    make_logger("auto", "info", stream).info(Event.STOPPED)

    assert lines(stream)[0]["event"] == "stopped"


def test_the_console_form_is_for_reading() -> None:
    stream = io.StringIO()

    make_logger("console", "info", stream).info(Event.CALL, rows=3)

    assert "call" in stream.getvalue()
    assert "rows=3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()  # no colours in a file


def test_warnings_of_libraries_arrive_without_their_values() -> None:
    stream = io.StringIO()
    library = logging.getLogger("some.library")

    with library_logs(make_logger("json", "info", stream)):
        library.warning("cannot read %s", "Smith")
        library.info("nothing")
    library.warning("after the block")

    assert [(line["event"], line["library"], line["text"]) for line in lines(stream)] == [
        ("library", "some.library", "cannot read %s")
    ]


def test_frames_tell_where_and_no_values() -> None:
    def fail(value: str) -> None:
        raise ValueError(value)

    with pytest.raises(ValueError, match="Smith") as caught:
        fail("Smith")

    found = frames(caught.value)
    assert found[-1].endswith(" fail")
    assert "test_telemetry.py:" in found[-1]
    assert "Smith" not in "".join(found)


def test_a_stream_that_cannot_be_written_fails_nobody() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    make_logger("json", "info", Full()).info(Event.CALL)  # does not raise
    closed = io.StringIO()
    closed.close()
    make_logger("json", "info", closed).info(Event.CALL)
