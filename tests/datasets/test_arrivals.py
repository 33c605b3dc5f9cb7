"""Large uploads are kept and imported by a worker: once, whatever is killed, and without being sent again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from studio import chores, datasets, house
from studio.actors import LOCAL_ACTOR
from studio.chores import Chore, ChoreLease, ChoreLost
from studio.datasets import Arrival, ArrivalSight, Dataset, DatasetVersion
from studio.db import SessionFactory, reading, transaction, utc_now
from studio.errors import Conflict, NotFound, UnsupportedFile
from studio.house import House
from studio.queue import SilentQueue
from studio.storage import LocalStorage
from tests.datasets.conftest import TWO_ROWS, Receive
from tests.doing import claim, do_chore
from worker.bench import Bench
from worker.importing import Import

on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
ONE_BAD = TWO_ROWS + b'{"text": ""}\n'
COLUMNS = b"Frage,Antwort\nq,a\nr,b\n"
Keep = Callable[..., ArrivalSight]


@pytest.fixture
def keep(receive: Receive, session_factory: SessionFactory, storage: LocalStorage) -> Keep:
    """Receive a file and keep it for a worker."""

    def run(file_name: str, content: bytes, **options: Any) -> ArrivalSight:
        upload = receive(file_name, content)
        with transaction(session_factory) as session:
            return datasets.keep_upload(session, LOCAL_ACTOR, upload, storage=storage, queue=SilentQueue(), **options)

    return run


def claimed(bench: Bench) -> ChoreLease:
    """The oldest chore that waits."""
    lease = claim(bench)
    assert lease is not None
    return lease


def look(bench: Bench, sight: ArrivalSight) -> ArrivalSight:
    """The arrival as it is now."""
    with reading(bench.session_factory) as session:
        return datasets.get_arrival(session, LOCAL_ACTOR, sight.arrival.id)


def go_on(bench: Bench, sight: ArrivalSight, **options: Any) -> None:
    """Say how the kept file is to be read, and have it imported."""
    with transaction(bench.session_factory) as session:
        datasets.go_on(session, LOCAL_ACTOR, sight.arrival.id, queue=SilentQueue(), **options)
    do_chore(bench, claimed(bench))


def made(bench: Bench) -> list[DatasetVersion]:
    """All versions of all datasets."""
    with reading(bench.session_factory) as session:
        return list(session.scalars(select(DatasetVersion)))


def stored(bench: Bench) -> list[str]:
    """The folders of storage that hold a file, once for each."""
    root = bench.settings.storage_dir
    return sorted(path.relative_to(root).parts[0] for path in root.rglob("*") if path.is_file())


def left_uploads(bench: Bench) -> list[Path]:
    return list(bench.settings.uploads_dir.iterdir())


def test_a_kept_file_becomes_the_dataset_that_an_upload_at_once_makes(
    bench: Bench, keep: Keep, receive: Receive, session_factory: SessionFactory, storage: LocalStorage
) -> None:
    sight = keep("a.jsonl", TWO_ROWS, name="Kept")
    before = (sight.status, stored(bench), left_uploads(bench))
    do_chore(bench, claimed(bench))
    with transaction(session_factory) as session:
        datasets.import_upload(session, LOCAL_ACTOR, receive("a.jsonl", TWO_ROWS), storage=storage)

    kept, at_once = made(bench)
    done = look(bench, sight)
    assert before == ("queued", ["originals"], [])
    assert (done.status, done.arrival.dataset_id, done.arrival.kept_sha256) == ("done", kept.dataset_id, None)
    assert done.chore.result == {"dataset_id": kept.dataset_id}
    same = ("file_name", "file_format", "file_size_bytes", "original_sha256", "sha256", "row_count", "split", "facts")
    assert [getattr(kept, name) for name in same] == [getattr(at_once, name) for name in same]
    with reading(session_factory) as session:
        assert session.scalar(select(func.count()).where(Chore.kind == "checkup", Chore.version_id == kept.id)) == 1


def test_a_worker_that_is_killed_or_late_makes_no_second_dataset(bench: Bench, keep: Keep) -> None:
    sight = keep("a.jsonl", TWO_ROWS)
    killed = claimed(bench)
    Import().begin(bench, killed, bench.settings.uploads_dir)

    def taken_back() -> None:
        with transaction(bench.session_factory) as session:
            chores.reap(session, dead_owners=[bench.owner])
        do_chore(bench, claimed(bench))

    with pytest.raises(ChoreLost):
        do_chore(bench, killed, meanwhile=taken_back)

    assert (len(made(bench)), look(bench, sight).status) == (1, "done")
    assert stored(bench) == ["datasets", "datasets", "originals"]


def test_a_stopped_import_leaves_the_file_alone_and_can_go_on(bench: Bench, keep: Keep) -> None:
    sight = keep("a.jsonl", TWO_ROWS)

    def stop() -> None:
        with transaction(bench.session_factory) as session:
            datasets.cancel_import(session, LOCAL_ACTOR, sight.arrival.id)

    with pytest.raises(ChoreLost):
        do_chore(bench, claimed(bench), meanwhile=stop)
    stopped = (look(bench, sight).status, made(bench), stored(bench))
    go_on(bench, sight)

    assert stopped == ("cancelled", [], ["originals"])
    assert (look(bench, sight).status, len(made(bench))) == ("done", 1)
    with transaction(bench.session_factory) as session, pytest.raises(Conflict):
        datasets.go_on(session, LOCAL_ACTOR, sight.arrival.id, queue=SilentQueue())


def test_refused_rows_can_be_left_out_without_sending_the_file_again(bench: Bench, keep: Keep) -> None:
    sight = keep("a.jsonl", ONE_BAD)
    do_chore(bench, claimed(bench))
    refused = look(bench, sight)

    go_on(bench, sight, leave_out=True)

    assert isinstance(refused.refusal, datasets.RowsRefused)
    assert (refused.status, refused.refusal.good_rows) == ("refused", 2)
    assert refused.refusal.message.startswith("a.jsonl was not imported: 1 problem. row 3: text is empty")
    assert made(bench)[0].facts["left_out"]["count"] == 1


def test_an_import_is_forgotten_while_a_worker_stores_it(bench: Bench, keep: Keep) -> None:
    sight = keep("a.jsonl", TWO_ROWS)
    lease = claimed(bench)

    def forget() -> None:
        with transaction(bench.session_factory) as session:
            datasets.forget_arrival(session, LOCAL_ACTOR, sight.arrival.id, storage=bench.storage)

    with ThreadPoolExecutor() as pool:
        with transaction(bench.session_factory) as session:
            session.execute(update(Arrival).values(report={"outcome": "accepted"}))
            forgetting = pool.submit(forget)
            wait([forgetting], timeout=0.2)
            chores.finish(session, lease, {})
        forgetting.result()

    with reading(bench.session_factory) as session:
        assert session.scalar(select(func.count()).select_from(Arrival)) == 0


@on_sqlite
def test_columns_are_asked_for_until_they_are_right(bench: Bench, keep: Keep) -> None:
    sight = keep("a.csv", COLUMNS)
    do_chore(bench, claimed(bench))
    asked = look(bench, sight)
    go_on(bench, sight, mapping={"prompt": "Frage"})
    asked_again = look(bench, sight)

    go_on(bench, sight, mapping={"prompt": "Frage", "completion": "Antwort"})

    assert isinstance(asked.refusal, datasets.MappingNeeded)
    assert asked.refusal.columns == {"Frage": ["q", "r"], "Antwort": ["a", "b"]}
    assert (asked_again.status, asked_again.may_go_on) == ("refused", True)
    assert asked_again.arrival.report["columns"] == asked.arrival.report["columns"]
    assert made(bench)[0].column_mapping == {"prompt": "Frage", "completion": "Antwort"}


@on_sqlite
def test_a_file_whose_columns_were_chosen_wrongly_is_kept_and_asked_for_again(bench: Bench, keep: Keep) -> None:
    sight = keep("a.csv", b"Frage,Antwort,Leer\nq,a,\nr,b,\n")
    do_chore(bench, claimed(bench))
    go_on(bench, sight, mapping={"prompt": "Frage", "completion": "Leer"})
    refused = look(bench, sight)

    go_on(bench, sight, mapping={"prompt": "Frage", "completion": "Antwort"})

    assert isinstance(refused.refusal, datasets.RowsRefused)
    assert (refused.refusal.good_rows, refused.may_go_on) == (0, True)
    assert [row["Frage"] for row in refused.arrival.report["samples"]] == ["q", "r"]
    assert made(bench)[0].row_count == 2


@on_sqlite
def test_a_file_that_no_word_can_mend_is_not_kept(bench: Bench, keep: Keep) -> None:
    sight = keep("a.jsonl", b"%PDF-1.7\n")

    do_chore(bench, claimed(bench))

    refused = look(bench, sight)
    assert isinstance(refused.refusal, UnsupportedFile)
    assert (refused.may_go_on, stored(bench)) == (False, [])


@on_sqlite
def test_the_house_knows_a_kept_file_until_it_is_forgotten(bench: Bench, keep: Keep) -> None:
    home = House(bench.settings, bench.session_factory, bench.storage)
    first, second = keep("a.jsonl", ONE_BAD), keep("b.csv", COLUMNS)
    for _ in range(2):
        do_chore(bench, claimed(bench))
    known = [finding.sentence for finding in house.examine(home, spared_seconds=0)]
    (bench.settings.storage_dir / str(second.arrival.original_key)).unlink()
    missing = [finding.sentence for finding in house.examine(home, spared_seconds=0)]

    with transaction(bench.session_factory) as session:
        datasets.forget_arrival(session, LOCAL_ACTOR, first.arrival.id, storage=bench.storage)
    long_ago = utc_now() - timedelta(days=8)
    with transaction(bench.session_factory) as session:
        session.execute(update(Arrival).values(created_at=long_ago))
        still_told = datasets.forget_old_arrivals(session)
        session.execute(update(Chore).values(finished_at=long_ago))
        forgotten = datasets.forget_old_arrivals(session)

    assert known == []
    assert [sentence.partition(" is missing")[0] for sentence in missing] == [
        "The upload of “b”, which is not a dataset yet,"
    ]
    assert (still_told, forgotten, stored(bench)) == (0, 1, [])
    with reading(bench.session_factory) as session, pytest.raises(NotFound):
        datasets.get_arrival(session, LOCAL_ACTOR, second.arrival.id)


@on_sqlite
def test_a_file_is_large_by_what_it_unpacks_to(
    receive: Receive, session_factory: SessionFactory, storage: LocalStorage
) -> None:
    def taken(name: str, size_bytes: int) -> type:
        with transaction(session_factory) as session:
            taken = datasets.take_upload(
                session,
                LOCAL_ACTOR,
                receive(name, TWO_ROWS * (size_bytes // len(TWO_ROWS))),
                storage=storage,
                small_bytes=2800,
                limits=datasets.ImportLimits(),
                queue=SilentQueue(),
            )
            return type(taken)

    assert [taken(*one) for one in (("a.jsonl", 2800), ("a.jsonl", 2828), ("a.jsonl.gz", 2800))] == [
        Dataset, ArrivalSight, ArrivalSight,
    ]  # fmt: skip
