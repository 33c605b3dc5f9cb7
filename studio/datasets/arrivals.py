"""Files on their way to be datasets: kept, imported by a worker, and gone on with when something has to be said."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import Chore
from studio.datasets.checking import refusal
from studio.datasets.importing import import_upload, settle
from studio.datasets.keys import NewFiles, discard_unnamed
from studio.datasets.models import Arrival, Dataset
from studio.datasets.receiving import ReceivedUpload
from studio.datasets.splits import Split
from studio.db import on_commit, utc_now
from studio.errors import Conflict, NotFound, StudioError
from studio.formats import ImportLimits
from studio.formats.report import Report
from studio.queue import Queue
from studio.storage import Storage

ArrivalStatus = Literal["queued", "running", "done", "refused", "failed", "cancelled"]
KEPT_DAYS = 7
_KIND: Literal["import"] = "import"
_MOST_SHOWN = 20
# A packed file may be fifty times as large as it looks; eight is usual for text.
_PACKED = 8


@dataclass(frozen=True, slots=True)
class ArrivalSight:
    """An arrival, and the work on it as it stands."""

    arrival: Arrival
    chore: Chore

    @property
    def status(self) -> ArrivalStatus:
        """That of the work, but `refused` where it ended without a dataset."""
        if self.chore.status == "done" and self.arrival.report.get("outcome") != "accepted":
            return "refused"
        status: ArrivalStatus = self.chore.status  # type: ignore[assignment]
        return status

    @property
    def refusal(self) -> StudioError | None:
        """Why it was refused, as an upload that is checked at once is told."""
        if self.status != "refused":
            return None
        return refusal(Report(**self.arrival.report), self.file_name)

    @property
    def file_name(self) -> str:
        """What is on its way, for people."""
        source = self.arrival.source
        return str(source["file_name"] if "file_name" in source else source["repository"])

    @property
    def may_go_on(self) -> bool:
        """Whether it can be tried again without being sent again."""
        has_source = bool(self.arrival.kept_sha256) or self.arrival.source["kind"] == "hub"
        return self.status in {"refused", "failed", "cancelled"} and has_source


def take_upload(
    session: Session,
    actor: Actor,
    upload: ReceivedUpload,
    *,
    storage: Storage,
    small_bytes: int,
    limits: ImportLimits,
    queue: Queue,
    name: str | None = None,
    mapping: dict[str, str] | None = None,
    split: Split | None = None,
    leave_out: bool = False,
) -> Dataset | ArrivalSight:
    """Import a small file at once, and have a worker import a larger one; raises what import_upload raises."""
    said: dict[str, Any] = {"name": name, "mapping": mapping, "split": split, "leave_out": leave_out}
    if _is_long(upload, small_bytes):
        return keep_upload(session, actor, upload, storage=storage, queue=queue, **said)
    return import_upload(session, actor, upload, storage=storage, queue=queue, limits=limits, **said)


def _is_long(upload: ReceivedUpload, small_bytes: int) -> bool:
    is_packed = upload.file_name.lower().endswith((".gz", ".parquet"))
    return upload.size_bytes * (_PACKED if is_packed else 1) > small_bytes


def keep_upload(
    session: Session,
    actor: Actor,
    upload: ReceivedUpload,
    *,
    storage: Storage,
    queue: Queue,
    name: str | None = None,
    mapping: dict[str, str] | None = None,
    split: Split | None = None,
    leave_out: bool = False,
) -> ArrivalSight:
    """Keep a received file and have a worker import it.

    Raises InvalidInput or UnsupportedFile for what import_upload refuses before it reads, and StorageFull. Flushes.
    """
    try:
        title, kind = settle(upload.file_name, name, split)
        source = {"kind": "upload", "file_name": upload.file_name, "file_kind": kind.label}
        files = NewFiles(session, storage)
        arrival = new_arrival(actor, title, source | {"size_bytes": upload.size_bytes}, mapping, split, leave_out)
        arrival.kept_sha256 = upload.sha256
        assert arrival.original_key is not None
        files.take(upload.path, arrival.original_key)
        return ask_import(session, actor, arrival, queue=queue)
    finally:
        upload.discard()


def new_arrival(
    actor: Actor,
    title: str,
    source: dict[str, Any],
    mapping: dict[str, str] | None,
    split: Split | None,
    leave_out: bool,
) -> Arrival:
    """An arrival that nothing is known of yet, not in a session."""
    options = {"mapping": mapping, "split": (split or Split()).model_dump(), "leave_out": leave_out}
    return Arrival(owner_id=actor.id, name=title, source=source, options=options)


def ask_import(session: Session, actor: Actor, arrival: Arrival, *, queue: Queue) -> ArrivalSight:
    """Have a worker import it, again if it did; one that is going on is left to go on. Flushes."""
    session.add(arrival)
    session.flush()
    params = {"arrival": arrival.id}
    return ArrivalSight(arrival, chores.ask(session, actor, _KIND, arrival.id, params, queue=queue, again=True))


def get_arrival(session: Session, actor: Actor, arrival_id: str) -> ArrivalSight:
    """One of the actor's; raises NotFound."""
    arrival = session.get(Arrival, arrival_id, populate_existing=True)
    chore = chores.newest(session, actor, _KIND, arrival_id)
    if arrival is None or arrival.owner_id != actor.id or chore is None:
        raise NotFound("There is no such import.")
    return ArrivalSight(arrival, chore)


def list_arrivals(session: Session, actor: Actor) -> list[ArrivalSight]:
    """Those that are no dataset yet, newest first."""
    query = select(Arrival).where(Arrival.owner_id == actor.id, Arrival.dataset_id.is_(None))
    arrivals = list(session.scalars(query.order_by(Arrival.id.desc()).limit(_MOST_SHOWN)))
    keys = [arrival.id for arrival in arrivals]
    found = session.scalars(select(Chore).where(Chore.kind == _KIND, Chore.key.in_(keys)).order_by(Chore.id))
    newest = {chore.key: chore for chore in found}
    sights = [ArrivalSight(arrival, newest[arrival.id]) for arrival in arrivals if arrival.id in newest]
    return [sight for sight in sights if sight.status != "done"]


def go_on(
    session: Session,
    actor: Actor,
    arrival_id: str,
    *,
    queue: Queue,
    mapping: dict[str, str] | None = None,
    leave_out: bool = False,
) -> ArrivalSight:
    """Import it again, read as it is said now; raises NotFound, and Conflict where there is nothing to go on with."""
    _lock(session, arrival_id)
    sight = get_arrival(session, actor, arrival_id)
    if not sight.may_go_on:
        raise Conflict("There is nothing to go on with: it is at work, or its file is not kept any more.")
    options = sight.arrival.options
    sight.arrival.options = options | {"mapping": mapping or options["mapping"], "leave_out": leave_out}
    return ask_import(session, actor, sight.arrival, queue=queue)


def cancel_import(session: Session, actor: Actor, arrival_id: str) -> ArrivalSight:
    """Stop it; one that is over stays as it is. Its file is kept. Raises NotFound."""
    sight = get_arrival(session, actor, arrival_id)
    return ArrivalSight(sight.arrival, chores.cancel(session, actor, sight.chore.id))


def forget_arrival(session: Session, actor: Actor, arrival_id: str, *, storage: Storage) -> None:
    """Stop it and remove it with the kept file, which goes after the commit; raises NotFound."""
    _lock(session, arrival_id)
    sight = cancel_import(session, actor, arrival_id)
    key = sight.arrival.original_key
    session.execute(delete(Chore).where(Chore.kind == _KIND, Chore.key == arrival_id))
    session.delete(sight.arrival)
    session.flush()
    if key is not None:
        on_commit(session, lambda: discard_unnamed(session, storage, key))


def forget_old_arrivals(session: Session, *, days: int = KEPT_DAYS) -> int:
    """Remove those that ended so long ago, and count them; the sweep finds their files."""
    limit = utc_now() - timedelta(days=days)
    going_on = select(Chore.key).where(
        Chore.kind == _KIND, Chore.status.in_(("queued", "running")) | (Chore.finished_at > limit)
    )
    old = list(session.scalars(select(Arrival.id).where(Arrival.created_at < limit, Arrival.id.not_in(going_on))))
    session.execute(delete(Chore).where(Chore.kind == _KIND, Chore.key.in_(old)))
    session.execute(delete(Arrival).where(Arrival.id.in_(old)))
    return len(old)


def _lock(session: Session, arrival_id: str) -> None:
    """Come before or after the worker that stores it; it writes the arrival first and its chore last, too."""
    session.execute(select(Arrival.id).where(Arrival.id == arrival_id).with_for_update())
