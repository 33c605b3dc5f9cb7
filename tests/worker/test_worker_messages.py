"""What a worker makes of its queue: many hints, forged ones, garbage, and an ear that has gone deaf."""

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from studio.queue import GPU_QUEUE, TRAIN_TASK, CeleryQueue, make_celery
from studio.wire import PREFIX, Wire
from tests.worker.benches import MakeRun, on_sqlite
from tests.worker.workers import StartWorker, await_
from worker.broker import LONGEST_BODY
from worker.canary import Canary
from worker.rounds import EXIT_DEAF

LIST = f"{PREFIX}{GPU_QUEUE}"


def message(**changes: Any) -> dict[str, Any]:
    """A hint as kombu writes it, with some parts forged."""
    return {
        "body": base64.b64encode(json.dumps([["run_1"], {}, {}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": TRAIN_TASK, "id": "1", "eta": None, "lang": "py", "retries": 0},
        "properties": {
            "delivery_tag": "1",
            "delivery_info": {"exchange": "", "routing_key": GPU_QUEUE},
            "body_encoding": "base64",
        },
        **changes,
    }


PICKLED = base64.b64encode(pickle.dumps(([], {}, {}))).decode()
GARBAGE = [
    b"garbage",
    b"\xff\xfe\x00",
    b"",
    b"[" * 100_000,
    b"null",
    b"1e999",
    b'{"a": 1}',
    *(
        json.dumps(forged).encode()
        for forged in (
            message(headers={}),
            message(headers="task"),
            message(headers={"task": "celery.map", "id": "1"}),
            message(headers={"task": TRAIN_TASK, "id": "1", "eta": "2999-01-01T00:00:00"}),
            message(headers={"task": TRAIN_TASK, "id": 17}),
            message(properties={}),
            message(properties={"delivery_tag": "1", "delivery_info": {}, "body_encoding": "base64"}),
            message(body="A" * (LONGEST_BODY + 1)),
            message(body="not base64"),
            message(body=base64.b64encode(b"not json").decode()),
            message(body=base64.b64encode(b'{"a": 1}').decode()),
            {**message(body=PICKLED), "content-type": "application/x-python-serialize", "content-encoding": "binary"},
        )
    ),
]


@on_sqlite
def test_many_hints_for_one_run_and_forged_ones_make_one_attempt(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue, empty_redis: str
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    celery = make_celery(empty_redis)
    for arguments in (["run_" + "0" * 26], ["../../etc"], [{"a": 1}], [None], [], ["x"] * 9, ["r" * 100_000]):
        celery.send_task(TRAIN_TASK, args=arguments, queue=GPU_QUEUE)
    celery.send_task("os.system", args=["true"], queue=GPU_QUEUE)
    for _ in range(100):
        queue.send(run.id)

    worker = start_worker("succeed")
    worker.await_run(run.id, lambda run: run.is_over)
    after = make_run("After them", base_model={"id": "folder:tiny"})
    worker.await_run(after.id, lambda run: run.is_over, seconds=10)

    ended = worker.read(run.id)
    assert (ended.status, ended.attempt, ended.epoch) == ("succeeded", 1, 1)


@on_sqlite
def test_garbage_in_the_queue_disturbs_neither_the_run_nor_the_next_hint(
    start_worker: StartWorker, make_run: MakeRun, queue: CeleryQueue, empty_redis: str
) -> None:
    run = make_run("Under way", base_model={"id": "folder:tiny"})
    worker = start_worker("a_hundred_steps")
    worker.await_run(run.id, lambda run: run.step > 0)
    after = make_run("After it", base_model={"id": "folder:tiny"})
    with redis.Redis.from_url(empty_redis) as client:
        client.lpush(LIST, *GARBAGE)
        queue.send(after.id)
        worker.await_run(after.id, lambda run: run.is_over)
        await_(lambda: None if client.llen(LIST) else True, 20, worker.log.read_text)
    assert [worker.read(one.id).epoch for one in (run, after)] == [1, 1]
    log = worker.log.read_text()
    assert log.count("was dropped") == len(GARBAGE)
    assert "Traceback" not in log
    assert worker.process.poll() is None


@on_sqlite
def test_a_queue_of_another_type_ends_no_worker_and_no_run(
    start_worker: StartWorker, make_run: MakeRun, empty_redis: str
) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    worker = start_worker("three_hundred_steps")
    worker.await_run(run.id, lambda run: run.step > 0)

    with redis.Redis.from_url(empty_redis) as client:
        client.set(LIST, "not a list")
        ended = worker.await_run(run.id, lambda run: run.is_over)

    assert (ended.status, ended.epoch) == ("succeeded", 1)
    worker.process.terminate()
    assert worker.process.wait(20) == 0


@on_sqlite
def test_a_worker_that_hears_nothing_any_more_leaves_to_be_started_again(start_worker: StartWorker) -> None:
    worker = start_worker("succeed", ROUND_SECONDS="0.5", IS_DEAF="yes")

    exit_code = worker.process.wait(60)

    assert exit_code == EXIT_DEAF
    assert "No hint is heard any more" in worker.log.read_text()


@pytest.fixture
def celery(empty_redis: str) -> Iterator[Celery]:
    celery = make_celery(empty_redis)
    yield celery
    celery.close()


def test_a_canary_that_is_not_heard_three_times_means_deafness(celery: Celery, empty_redis: str) -> None:
    canary = Canary(celery, Wire(empty_redis), "w1", 0.0)

    assert [canary.is_deaf(is_idle=True) for _ in range(4)] == [False, False, False, True]


def test_a_canary_that_is_heard_or_has_no_free_ear_or_no_redis_means_nothing(
    celery: Celery, empty_redis: str, tmp_path: Path
) -> None:
    heard, busy = (Canary(celery, Wire(empty_redis), owner, 0.0) for owner in ("w1", "w2"))
    nobody = f"unix://{tmp_path}/nobody.sock"
    away = Canary(make_celery(nobody), Wire(nobody), "w3", 0.0)

    assert not any(busy.is_deaf(is_idle=False) for _ in range(9))
    assert not any(away.is_deaf(is_idle=True) for _ in range(9))
    for _ in range(9):
        assert not heard.is_deaf(is_idle=True)
        heard.hear()
