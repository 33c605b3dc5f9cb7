"""What comes through Redis is only a hint: lost, doubled and forged ones change nothing."""

import base64
import json
import pickle
import random
from typing import Any

from studio.ids import new_id
from studio.queue import GPU_QUEUE, TRAIN_TASK
from studio.runs import Run
from studio.wire import PREFIX
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger
from tests.faults.chaos.processes import seconds_until
from tests.faults.chaos.report import Fault, Report

QUEUE_KEY = f"{PREFIX}{GPU_QUEUE}"
CONSUMED_SECONDS = 60.0
SHORT = {"hyperparameters": {"max_steps": 3}}


def waiting_hints(home: Home) -> int:
    """Messages that no worker has taken yet."""
    with home.valkey.client() as client:
        length: Any = client.llen(QUEUE_KEY)
        return int(length)


def seconds_until_a_hint_is_taken(home: Home) -> float:
    """Push a hint at a run that is not there, past the sender; how long until a worker takes it."""
    with home.valkey.client() as client:
        client.lpush(QUEUE_KEY, _envelope(_encoded([[new_id("run")], {}, {}])))
    return seconds_until(lambda: waiting_hints(home) == 0, 2 * CONSUMED_SECONDS, "the hint is taken")


def send_duplicates(home: Home, ledger: Ledger, *, count: int, seed: int) -> Report:
    """`count` hints of one run to two idle workers: one claim, and no work for the others."""
    home.await_warm(2)
    run_id = ledger.launch(home.spec(**SHORT), name="Duplicates")
    fault = Fault("duplicate hints", f"{count} at once", run_id, 0)
    for _ in range(count - 1):
        home.queue.send(run_id)
    fault.expect("claims", home.await_over(run_id).epoch, 1)
    ledger.hit(run_id)
    fault.seconds["all_taken"] = seconds_until(lambda: waiting_hints(home) == 0, count, "all hints are taken")
    fault.expect("claims_afterwards", home.read(run_id).epoch, 1)
    return Report("duplicate hints", seed, [fault], ledger.count())


def send_forgeries(home: Home, ledger: Ledger, *, seed: int) -> Report:
    """Garbage in the queue while a run goes on; workers live on and take the next real hint."""
    rng = random.Random(seed)
    home.await_warm(2)
    faults = []
    for name, message in _forgeries(rng).items():
        run_id = ledger.launch(home.spec(**SHORT), name=f"Beside: {name}")
        home.await_run(run_id, lambda run: run.is_active or run.is_over, "it is taken")
        with home.valkey.client() as client:
            client.lpush(QUEUE_KEY, message)
        fault = Fault("forged message", name, run_id, 1)
        fault.seconds["hint_taken"] = seconds_until_a_hint_is_taken(home)
        run: Run = home.await_over(run_id)
        ledger.hit(run_id)
        fault.expect("claims", run.epoch, 1)
        fault.expect("workers_live", all(worker.is_running for worker in home.workers), True)
        faults.append(fault)
    return Report("forged messages", seed, faults, ledger.count())


def seconds_until_a_hint_starts_a_run(home: Home, ledger: Ledger) -> float:
    """How long a run waits for its claim when workers are idle; without hints it is half a minute at worst."""
    run_id = ledger.launch(home.spec(**SHORT), name="By hint")
    return seconds_until(lambda: home.read(run_id).attempt > 0, CONSUMED_SECONDS, "the run is claimed")


class _Trap:
    """Unpickled, it would end the worker."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import os

        return os._exit, (66,)


def _forgeries(rng: random.Random) -> dict[str, bytes]:
    pickled = pickle.dumps([[_Trap()], {}, {}])
    return {
        "random bytes": rng.randbytes(200),
        "nothing": b"",
        "not JSON": b"{'task': 1}",
        "JSON of another shape": b"[1, 2, 3]",
        "null": b"null",
        "an empty envelope": b"{}",
        "a pickle": _envelope(base64.b64encode(pickled).decode(), content_type="application/x-python-serialize"),
        "a raw pickle": pickled,
        "a body that is not base64": _envelope("%%%"),
        "a body of another shape": _envelope(_encoded({"id": 1})),
        "another task": _envelope(_encoded([["x"], {}, {}]), task="os.system"),
        "a run id of a megabyte": _envelope(_encoded([["r" * 1_000_000], {}, {}])),
        "no arguments": _envelope(_encoded([[], {}, {}])),
        "a task of another type": _envelope(_encoded([[["x"]], {"run_id": {}}, {}])),
        "a date far off": _envelope(_encoded([["x"], {}, {}]), eta="9999-12-31T23:59:59", expires="yesterday"),
        "a deep nest": b"[" * 100_000,
    }


def _encoded(body: object) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def _envelope(body: str, *, content_type: str = "application/json", **headers: str) -> bytes:
    """As kombu writes it into the list."""
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {"lang": "py", "task": TRAIN_TASK, "id": "1", "root_id": "1", "argsrepr": "()", **headers},
        "properties": {
            "correlation_id": "1",
            "reply_to": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": GPU_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "1",
        },
    }
    return json.dumps(message).encode()
