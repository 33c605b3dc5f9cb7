"""The cache folder stays within its bound: what was not used for longest goes, what is in use stays."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import datasets, house
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset
from studio.db import transaction
from studio.house import House
from studio.queue import SilentQueue

HOUR = 3600.0
Put = Callable[[str, int, float], Path]


@pytest.fixture
def put(home: House) -> Put:
    """Leave a file of so many bytes in the cache, last used so many hours ago."""

    def _put(name: str, size_bytes: int, hours: float) -> Path:
        path = home.settings.cache_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size_bytes)
        then = time.time() - hours * HOUR
        for one in (path, *path.parents[: len(Path(name).parts) - 1]):
            os.utime(one, (then, then))
        return path

    return _put


def prune(home: House, limit_bytes: int) -> int:
    settings = home.settings.model_copy(update={"cache_limit_bytes": limit_bytes})
    return house.prune_caches(settings, home.session_factory)


def test_what_was_not_used_for_longest_goes_first_and_as_a_whole(home: House, put: Put) -> None:
    rows, places = put("tokens/old.arrow", 500, 50), put("tokens/old.arrow.places", 100, 60)
    findings = put("checkups/older/secrets.jsonl", 300, 70)
    model = put("tokenizers/models--a--b/blobs/c", 200, 30)
    young = put("profiles/young/sums.u64", 5000, 0.5)

    assert prune(home, 6100) == 0
    assert prune(home, 5900) == 300
    assert not findings.parent.exists() and rows.is_file()
    assert prune(home, 5750) == 600
    assert not rows.exists() and not places.exists() and model.is_file()
    # What was used within the last hour stays, however large it is.
    assert prune(home, 1) == 200
    assert young.is_file()


def test_tokens_that_nobody_used_for_a_month_go_for_they_are_texts(home: House, put: Put) -> None:
    month = 31 * 24
    gone, used = put("tokens/gone.arrow", 10, month), put("tokens/used.arrow", 10, month - 48)
    findings = put("checkups/old/secrets.jsonl", 10, month)

    assert prune(home, 1000) == 10
    assert [path.is_file() for path in (gone, used, findings)] == [False, True, True]


def test_what_waiting_work_reads_stays_and_nothing_is_a_finding(home: House, dataset: Dataset, put: Put) -> None:
    with transaction(home.session_factory) as session:
        plan = datasets.SplitRows()
        datasets.ask_split(session, LOCAL_ACTOR, dataset.latest, plan, queue=SilentQueue(), publish=False)
        counting = datasets.ask_profile(session, LOCAL_ACTOR, dataset.latest, "some/model", queue=SilentQueue())
    read = [
        put(f"checkups/{datasets.checkup_key(dataset.latest)}/near_duplicates.jsonl", 10, 90),
        put(f"profiles/{counting.key}/sums.u64", 10, 90),
        put("tokenizers/models--some--model/tokenizer.json", 10, 90),
    ]
    put("tokens/unused.arrow", 10, 80)

    went = prune(home, 1)

    assert went == 10
    assert all(path.is_file() for path in read)
    assert list(house.examine(home)) == []
