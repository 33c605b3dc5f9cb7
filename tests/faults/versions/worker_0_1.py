"""What a worker of version 0.1 writes, by its own code: run as a program with version 0.1 on the path.

`python worker_0_1.py URL "claim" "record 3" ...` does one verb after the other, and prints every statement that it
sent as one JSON list of pairs.
"""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from studio import adapters, runs
from studio.db import make_engine, make_session_factory, transaction
from studio.runs.events import Answer, Answered, BestMoved, Exported, Measured, Noted, PhaseBegan, Progressed
from studio.storage import StoredFile


class Worker:
    """One lease at a time."""

    def __init__(self) -> None:
        self.lease: Any = None

    def claim(self, session: Session) -> None:
        self.lease = runs.claim_next(session, "worker-of-0.1")

    def record(self, session: Session, steps: str = "1") -> None:
        said: list[Any] = [PhaseBegan(phase="training"), Measured(step=0, values={"eval/loss": 4.0})]
        for step in range(1, int(steps) + 1):
            answer = Answer(position=0, row_number=1, prompt="Say 1.", expected="It is 1.", answer=f"Old {step}")
            said += [
                Measured(step=step, values={"train/loss": 100.0 + step}),
                Progressed(step=step, total_steps=9, seconds_left=1.0),
                Answered(step=step, answers=[answer]),
                BestMoved(step=step, validation_loss=3.5),
            ]
        runs.record(session, self.lease, [*said, Noted(kind="warning", message="A row was cut.")])

    def renew(self, session: Session) -> None:
        runs.renew(session, self.lease)

    def look(self, session: Session) -> None:
        runs.read_desire(session, self.lease)

    def hand_back(self, session: Session) -> None:
        runs.hand_back(session, self.lease, "The studio was stopped.")

    def fail(self, session: Session) -> None:
        runs.end(session, self.lease, "failed", kind="internal", reason="Something failed.")

    def reap(self, session: Session) -> None:
        runs.reap(session)

    def register(self, session: Session, steps: str = "1") -> None:
        exported = Exported(
            archive="adapter.zip",
            sha256="0" * 64,
            size_bytes=1,
            files=[{"name": "adapter_model.safetensors", "size_bytes": 1}],
            step=int(steps),
            validation_loss=3.5,
            trained_parameters=1,
            base_revision=None,
        )
        key = adapters.archive_key(self.lease.run_id, self.lease.epoch)
        adapters.register(session, self.lease, exported, StoredFile(key, "0" * 64, 1))


def main(url: str, *verbs: str) -> None:
    """Do them, each in its transaction."""
    engine = make_engine(url)
    sent: list[list[Any]] = []

    @event.listens_for(engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if context is not None and statement.partition(" ")[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            rows = parameters if many else [parameters]
            sent.append([statement, [_plain(row) for row in rows]])

    worker = Worker()
    for verb in verbs:
        name, *rest = verb.split()
        act: Callable[..., None] = getattr(worker, name)
        with transaction(make_session_factory(engine)) as session:
            act(session, *rest)
    print(json.dumps(sent))


def _plain(parameters: Any) -> Any:
    if isinstance(parameters, dict):
        return {name: _plain(value) for name, value in parameters.items()}
    if isinstance(parameters, list | tuple):
        return [_plain(value) for value in parameters]
    if isinstance(parameters, datetime):
        return {"datetime": parameters.isoformat()}
    if type(parameters).__name__ in {"Json", "Jsonb"}:
        return {"json": parameters.obj}
    return parameters


if __name__ == "__main__":
    main(*sys.argv[1:])
