"""Test rows from another dataset, as versions: frozen, never trained on, told on the card, undone by the parent."""

import pytest

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import DatasetVersion, SplitName
from studio.db import reading, transaction
from studio.errors import InvalidInput
from studio.queue import SilentQueue
from studio.runs import RunSpec
from tests.datasets.conftest import Import
from tests.doing import lines, mend, versions
from worker.bench import Bench


def prompts(bench: Bench, version: DatasetVersion, split: SplitName) -> set[str]:
    rows = datasets.read_rows(version, storage=bench.storage, start=0, limit=99, split=split)
    return {row.row["prompt"] for row in rows}


def differing(bench: Bench, before: DatasetVersion, after: DatasetVersion) -> dict[str, int]:
    found = datasets.compare(before, after, storage=bench.storage, cache=bench.settings.cache_dir)
    assert found is not None
    return dict(found.counts)


def mixing(version: DatasetVersion, other: DatasetVersion) -> RunSpec:
    """A run that learns both."""
    part = {"dataset_version_id": other.id, "sha256": other.sha256, "row_count": other.row_count, "split": other.split}
    data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
    return runs.validate_spec({"base_model": {"id": "Qwen/Qwen3-0.6B"}, "data": data | {"mix": [part]}})


def test_its_rows_are_tested_with_and_never_trained_on(bench: Bench, import_file: Import) -> None:
    rows = [{"prompt": f"Say the number {n}", "completion": f"It is {n}", "topic": "numbers"} for n in range(40)]
    dataset = import_file("rows.jsonl", lines(rows))
    first = dataset.latest
    trained, validated, tested = (prompts(bench, first, split) for split in datasets.SPLIT_NAMES)
    equal, near, other = min(trained).upper(), f"Please, {max(trained)}!", min(validated)
    exam_rows = [{"prompt": text, "completion": "x", "level": "hard"} for text in (equal, near, other, "New")]
    exam = import_file("exam.jsonl", lines(exam_rows), name="Exam")
    step = {"do": "add_test", "dataset_version_id": exam.latest.id}

    chore = mend(bench, first, [step])
    made = versions(bench, dataset)[-1]
    number = datasets.read_rows(made, storage=bench.storage, start=0, limit=1, split="train")[0].number
    mend(bench, made, [{"do": "drop_rows", "rows": [number]}])
    with transaction(bench.session_factory) as session, pytest.raises(InvalidInput, match="cannot be trained on"):
        mixed = mixing(versions(bench, dataset)[-1], exam.latest)
        runs.launch(session, LOCAL_ACTOR, mixed, queue=SilentQueue(), settings=bench.settings)
    with transaction(bench.session_factory) as session:
        known = datasets.get_dataset(session, LOCAL_ACTOR, dataset.id)
        datasets.use_again(session, LOCAL_ACTOR, known, known.versions[0], queue=SilentQueue())
        datasets.delete_dataset(session, LOCAL_ACTOR, exam.id, storage=bench.storage)

    _, made, mended, undone = versions(bench, dataset)
    assert (chore.result["alike"], chore.result["added"], chore.problem) == (3, 4, "")
    assert prompts(bench, made, "train") == trained - {min(trained), max(trained)}
    assert prompts(bench, made, "validation") == validated - {other}
    assert prompts(bench, made, "test") == tested | {equal, near, other, "New"} == prompts(bench, mended, "test")
    assert made.recipe == [step | {"present_test": "keep", "name": "Exam", "sha256": exam.latest.sha256}]
    assert made.facts["fields"] == ["topic", "level"]
    assert made.frozen_split is not None
    assert (undone.sha256, undone.split) == (first.sha256, first.split)
    assert differing(bench, first, made) == {"dropped": 3, "added": 4, "changed": 0}
    assert differing(bench, made, mended)["dropped"] == 1
    assert differing(bench, undone, mended)["added"] == 4
    card = datasets.dataset_card(mended.dataset, mended, datasets.version_split_sizes(mended), [])
    assert f"- test rows from: Exam, sha256 `{exam.latest.sha256}`" in card


def test_what_cannot_be_taken_is_refused_at_once(bench: Bench, import_file: Import) -> None:
    pairs = lines([{"prompt": f"Say the number {n}", "completion": "x"} for n in range(4)])
    dataset, texts = import_file("rows.jsonl", pairs), import_file("texts.jsonl", b'{"text": "a"}\n{"text": "b"}\n')
    foreign = import_file("rows.jsonl", pairs, actor=Actor(id="usr_other"))
    same = import_file("rows.jsonl", pairs)
    steps = [{"do": "add_test", "dataset_version_id": one.latest.id} for one in (dataset, texts, foreign, same)]

    for step, sentence in zip(steps, ("its own rows", "are text, and those", "no such version"), strict=False):
        with pytest.raises(InvalidInput, match=sentence):
            mend(bench, dataset.latest, [step])
    with pytest.raises(InvalidInput, match="no step among others"):
        mend(bench, dataset.latest, [steps[3], {"do": "drop_rows", "rows": [1]}])
    with reading(bench.session_factory) as session:
        found = datasets.datasets_to_test_with(session, LOCAL_ACTOR, dataset.latest)
    assert [one.id for one in found] == [same.id]
    assert mend(bench, dataset.latest, [steps[3]]).problem.startswith("No train row would be left")
