"""What is said of a resume, and how the number of threads is part of it."""

from pathlib import Path
from typing import Any

import pytest

import worker.train
from studio.errors import InvalidInput
from studio.runs.events import Checkpointed, Failed
from worker.data import Prepared, Tokenised, TokenRow
from worker.hardware import Threads
from worker.prepared import OtherData, open_rows
from worker.resume import difference
from worker.state import DataReference, State

from .conftest import Assign, read_events

NOW: dict[str, Any] = {
    "device": "a CPU",
    "device_kind": "cpu",
    "driver": "",
    "instructions": "AVX2",
    "compute_dtype": "float32",
    "attention": "sdpa",
    "optimizer": "adamw",
    "deterministic": True,
    "base_bits": 16,
    "versions": {"torch": "2.13.0", "peft": "0.21.2"},
}
GPU = NOW | {"device": "A GPU", "device_kind": "cuda", "driver": "570", "compute_dtype": "bfloat16"}


def prepared(*, ids: tuple[int, ...] = (5, 6, 7)) -> Prepared:
    rows = [TokenRow(number, list(ids), list(ids)) for number in (1, 2, 3)]
    return Prepared(
        train=Tokenised(rows[:2], cut=1), validation=Tokenised(rows[2:]), samples=[], template="a plain one"
    )


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (NOW, NOW, ""),
        (NOW | {"threads": 2}, NOW | {"threads": 8}, ""),
        (GPU, GPU, ""),
        (GPU, GPU | {"device": "Another"}, "Resumed with another device; not bit-exact."),
        (GPU, GPU | {"driver": "580"}, "Resumed with another GPU driver; not bit-exact."),
        (NOW, NOW | {"versions": {"torch": "2.14.0", "peft": "0.21.2"}}, "another version of torch; not bit-exact."),
        (NOW, GPU, "Resumed with another device, GPU driver, arithmetic; not bit-exact."),
        (GPU | {"base_bits": 4}, GPU | {"base_bits": 4}, "Resumed over a 4-bit base on a GPU; not bit-exact."),
        (GPU | {"deterministic": False}, GPU | {"deterministic": False}, "no deterministic algorithm"),
    ],
)
def test_what_decides_bits_is_named(before: dict[str, Any], now: dict[str, Any], told: str) -> None:
    found = difference(before, now)

    assert found == told if told == "" else told in found
    assert len(found) < 300


def test_rows_that_come_out_otherwise_are_refused(tmp_path: Path) -> None:
    first = open_rows(tmp_path, prepared, None)
    (path,) = (tmp_path / "prepared").iterdir()
    path.unlink()

    with pytest.raises(OtherData, match="tokenised otherwise than when this run began"):
        open_rows(tmp_path, lambda: prepared(ids=(5, 6, 8)), first.reference)

    assert not list((tmp_path / "prepared").iterdir())
    assert open_rows(tmp_path, prepared, first.reference).reference == first.reference


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = open_rows(tmp_path, prepared, None)

    assert rows.train[1] == {"input_ids": [5, 6, 7], "labels": [5, 6, 7]}
    assert rows.validation == [TokenRow(3, [5, 6, 7], [5, 6, 7])]
    assert (rows.facts["cut"], rows.facts["trained_tokens"]) == (1, 6)
    assert rows.longest(1) == [rows.train[0]]


def test_rows_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    def refuse() -> Prepared:
        raise InvalidInput("Not again.")

    first = open_rows(tmp_path, prepared, None)

    assert open_rows(tmp_path, refuse, first.reference).reference == first.reference


@pytest.mark.training
def test_another_tokenizer_ends_a_resumed_run_as_bad_data(assign: Assign, tmp_path: Path) -> None:
    folder = tmp_path / "attempt-1"
    first = assign(hyperparameters={"max_steps": 2})
    assert worker.train.main(folder) == 0
    checkpoint = folder / "checkpoints" / "step-00000002"
    state = State.read(checkpoint)
    other = DataReference(sha256="1" * 64, train_rows=6, validation_rows=1)
    state.model_copy(update={"data": other, "step": 1}).write(checkpoint)
    second = tmp_path / "attempt-2"
    second.mkdir()
    first.model_copy(update={"checkpoint": checkpoint}).write(second)

    assert worker.train.main(second) == 1

    failed = read_events(second)[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "bad_data"


@pytest.mark.training
def test_threads_change_only_together_with_a_checkpoint(
    assign: Assign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "attempt-1"
    assign(hyperparameters={"max_steps": 6}).model_copy(update={"checkpoint_steps": 100}).write(folder)
    calls = []

    def want_two(threads: Threads, *, busy: int | None = None) -> None:
        calls.append(threads.count)
        threads.wanted = 2 if len(calls) > 12 else 1

    monkeypatch.setattr(Threads, "watch", want_two)

    assert worker.train.main(folder) == 0

    saved = [event.step for event in read_events(folder) if isinstance(event, Checkpointed)]
    states = [State.read(folder / "checkpoints" / f"step-{step:08d}") for step in saved]
    assert len(saved) == 2
    assert 0 < saved[0] < saved[1] == 6
    assert [state.threads for state in states] == [2, 2]
    assert calls[-1] == 2
