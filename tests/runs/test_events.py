"""Lines between trainer and supervisor."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.runs import attempt_folder, event_line, parse_event, read_log
from studio.runs.events import Measured, Noted, encode_value, split_value


@given(st.floats(allow_nan=False))
def test_numbers_come_back_as_they_were(value: float) -> None:
    event = Measured(step=1, values={"train/loss": encode_value(value)})

    read = parse_event(event_line(event))

    assert isinstance(read, Measured)
    number, kind = split_value(read.values["train/loss"])
    assert (number if kind == "num" else float(kind)) == value
    assert math.copysign(1, number if number is not None else float(kind)) == math.copysign(1, value)


@given(st.text())
def test_any_text_is_one_line_of_ascii(text: str) -> None:
    line = event_line(Noted(message=text.encode("utf-8", "replace").decode()))

    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["t"] == "note"


@pytest.mark.parametrize("line", ["", "{}", "nonsense", '{"t": "no"}', '{"t": "note"}', '{"t":"note","message":1}'])
def test_what_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        parse_event(line)


def test_the_log_is_read_from_its_end_by_lines(tmp_path: object) -> None:
    folder = attempt_folder(tmp_path, "run_1", 2)
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_bytes(b"first\nsecond\nthird \xff\n")

    assert read_log(tmp_path, "run_1", 2, max_bytes=12) == "third \ufffd\n"
    assert read_log(tmp_path, "run_1", 3) == ""
