"""Counting tokens as a chore: what it says is what a trainer would do, and a hostile template harms nobody."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.chores import Chore
from studio.datasets import DatasetVersion, Profile
from studio.db import transaction
from studio.queue import SilentQueue
from tests.forking import TEXT, preloaded
from tests.worker.benches import on_sqlite
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.data import RowTokenizer
from worker.doing import DOERS
from worker.rows import read_all_rows
from worker.start import Forkserver
from worker.tokens_doing import CountTokens
from worker.tokens_load import load_tokenizer

from .conftest import CHATML, make_spec, save_tokenizer
from .test_chores import folders_left, show

# Counting is the same on every database.
pytestmark = on_sqlite
MODEL = "folder:tiny"


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    return preloaded(TEXT, tmp_path_factory.mktemp("forkserver"))


def count(bench: Bench, version: DatasetVersion, template: str | None = CHATML, **changes: Any) -> Chore:
    """Count the tokens of a version with a base model of this template."""
    save_tokenizer(bench.settings.models_root / "tiny", template)  # type: ignore[operator]
    with transaction(bench.session_factory) as session:
        chore = datasets.ask_profile(session, LOCAL_ACTOR, version, MODEL, queue=SilentQueue(), **changes)
    ChoreSlot(bench, {"tokens": CountTokens(row_seconds=2)}).drain()
    return show(bench, chore)


def open_profile(bench: Bench, chore: Chore) -> Profile:
    assert chore.problem == ""
    found = Profile.open(bench.settings.cache_dir, chore)
    assert found is not None
    return found


def test_every_longest_row_is_answered_as_a_trainer_would(bench: Bench, version: DatasetVersion) -> None:
    profile = open_profile(bench, count(bench, version))

    tokenizer = load_tokenizer(bench.settings.models_root / "tiny")  # type: ignore[operator]
    rows = list(read_all_rows(bench.storage.path(version.rows_key)))
    whole = RowTokenizer(tokenizer, make_spec(), 10**6).tokenise(rows)
    longest = profile.result["longest"]
    assert longest == max(len(row.input_ids) for row in whole.rows)
    for max_length in (2, 16, longest // 2, longest - 1, longest, longest + 100):
        truth, cut = profile.at(max_length), RowTokenizer(tokenizer, make_spec(), max_length).tokenise(rows)
        kept = sum(len(row.input_ids) for row in cut.rows)
        assert (truth.untaught_rows, truth.trained) == (cut.dropped, cut.trained_tokens)
        assert truth.trained + truth.masked == kept
        assert truth.rows - truth.whole_rows == cut.cut
        assert truth.tokens == sum(len(row.input_ids) for row in whole.rows)
        assert len(profile.cut_rows(max_length, start=0, limit=10**6)) == cut.cut
        assert len(profile.untaught_rows(max_length, start=0, limit=10**6)) == cut.dropped


def test_the_histogram_counts_every_row_once(bench: Bench, version: DatasetVersion) -> None:
    profile = open_profile(bench, count(bench, version))

    bars = profile.histogram(30, 7)

    assert sum(bar.rows for bar in bars) == version.row_count
    assert [bar.first for bar in bars[1:]] == [bar.last + 1 for bar in bars[:-1]]
    assert bars[-1].last == max(30, profile.result["longest"])


def test_a_row_is_shown_token_by_token(bench: Bench, version: DatasetVersion) -> None:
    chore = count(bench, version)
    tokenizer = load_tokenizer(bench.settings.models_root / "tiny")  # type: ignore[operator]
    rows = list(read_all_rows(bench.storage.path(version.rows_key)))
    (row,) = RowTokenizer(tokenizer, make_spec(), 10**6).tokenise(rows[6:7]).rows

    view = datasets.read_tokens(bench.settings.token_cache_dir, chore.result, 7, 10**6)
    short = datasets.read_tokens(bench.settings.token_cache_dir, chore.result, 7, 5)

    assert view is not None and short is not None
    assert [token for found in view.tokens for token in found.ids][: view.length] == list(row.input_ids)
    learned = [token for found in view.tokens if found.state == "trained" for token in found.ids]
    assert learned == [label for label in row.labels if label != -100]
    assert "".join(found.text for found in view.tokens) == tokenizer.decode(
        [token for found in view.tokens for token in found.ids]
    )
    assert {found.state for found in short.tokens[5:]} == {"cut"}
    assert datasets.read_tokens(bench.settings.token_cache_dir, chore.result, 10**6, 5) is None


def test_a_second_look_reads_what_the_first_one_made(bench: Bench, version: DatasetVersion) -> None:
    first = count(bench, version)

    second = count(bench, version, again=True)

    assert (first.result["was_cached"], second.result["was_cached"]) == (False, True)
    assert first.result | {"was_cached": True} == second.result
    assert folders_left(bench) == []


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (
            "{%- for a in range(99999) %}{%- for b in range(99999) %}{%- endfor %}{%- endfor %}",
            "needs more than 2 seconds",
        ),
        ("{%- macro again(n) %}{{- again(n + 1) }}{%- endmacro %}{{- again(0) }}", "has a fault"),
        (
            "{%- set n = namespace(t='x' * 1000) %}{%- for i in range(999) %}{%- set n.t = n.t ~ n.t %}{%- endfor %}",
            "m",
        ),
        ("{%- for i in range(1000) %}{{- 'x' * 1000000 }}{%- endfor %}", "1,000,000,000 characters"),
        ("{{- messages.__class__.__mro__[-1].__subclasses__() }}", "has a fault|refuses it"),
        ("{{- nothing.at.all }}", "refuses it"),
        ("{%- for message in messages %}", "Unexpected end of template"),
    ],
    ids=["loops", "recurses", "doubles", "floods", "breaks-out", "undefined", "broken"],
)
def test_a_hostile_template_ends_with_a_sentence(
    template: str, sentence: str, bench: Bench, version: DatasetVersion
) -> None:
    chore = count(bench, version, template)

    assert chore.status == "failed"
    assert re.search(sentence, chore.problem)
    assert folders_left(bench) == []


def test_a_folder_without_a_tokenizer_is_told(bench: Bench, version: DatasetVersion) -> None:
    with transaction(bench.session_factory) as session:
        chore = datasets.ask_profile(session, LOCAL_ACTOR, version, MODEL, queue=SilentQueue())

    ChoreSlot(bench, DOERS).drain()

    assert show(bench, chore).problem.startswith("The base model's tokenizer could not be read")


def test_the_report_of_a_chore_is_plain(bench: Bench, version: DatasetVersion) -> None:
    result = count(bench, version).result

    assert json.loads(json.dumps(result)) == result
    assert result["percentiles"]["p50"] <= result["percentiles"]["p99"] <= result["longest"]
    assert result["suggestion"] % 64 == 0
    assert Path(bench.settings.token_cache_dir / f"{result['tokens_key']}.arrow").is_file()
