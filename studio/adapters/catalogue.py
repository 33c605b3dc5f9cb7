"""Adapters: registered in one transaction with the end of their run, then listed and fetched."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.adapters.models import Adapter
from studio.errors import NotFound
from studio.runs import RULES, Lease, LeaseLost, Rules, Run, end
from studio.runs.events import Exported
from studio.storage import Storage, StoredFile


def archive_key(run_id: str, epoch: int) -> str:
    """Where the archive of one attempt lies; the epoch keeps a stale worker out of another's files."""
    return f"adapters/{run_id}/{epoch}.zip"


def store_archive(storage: Storage, lease: Lease, archive: Path) -> StoredFile:
    """Put the finished archive into storage, before its row."""
    return storage.put(archive, archive_key(lease.run_id, lease.epoch))


def register(
    session: Session, lease: Lease, exported: Exported, stored: StoredFile, *, rules: Rules = RULES
) -> Adapter:
    """Write the adapter's row and end its run as succeeded; the caller commits both at once.

    A second call returns the row of the first: its commit may have passed although the answer was lost.
    Raises LeaseLost when a person cancelled first or another worker holds the run.
    """
    known = session.scalar(select(Adapter).where(Adapter.run_id == lease.run_id, Adapter.storage_key == stored.key))
    if known is not None:
        return known
    run = session.get_one(Run, lease.run_id, with_for_update={"of": Run}, populate_existing=True)
    if run.desired == "cancel":
        raise LeaseLost("The run was cancelled before its adapter was registered.")
    end(session, lease, "succeeded", rules=rules)
    adapter = Adapter(
        owner_id=run.owner_id,
        run_id=run.id,
        name=run.name,
        kind=run.run_spec.method.artifact,
        method=run.method,
        base_model=run.base_model,
        base_revision=exported.base_revision,
        step=exported.step,
        validation_loss=exported.validation_loss,
        trained_parameters=exported.trained_parameters,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        storage_key=stored.key,
        files=exported.files,
    )
    session.add(adapter)
    return adapter


def get_adapter(session: Session, actor: Actor, adapter_id: str) -> Adapter:
    """One adapter of the actor; raises NotFound."""
    adapter = session.scalar(select(Adapter).where(Adapter.id == adapter_id, Adapter.owner_id == actor.id))
    if adapter is None:
        raise NotFound("There is no such adapter.")
    return adapter


def adapter_of_run(session: Session, run: Run) -> Adapter | None:
    """The adapter that a run made, once it has."""
    return session.scalar(select(Adapter).where(Adapter.run_id == run.id))


def adapter_ids(session: Session, runs: Sequence[Run]) -> dict[str, str]:
    """The ids of the adapters that these runs made, by run id, in one query."""
    query = select(Adapter.run_id, Adapter.id).where(Adapter.run_id.in_([run.id for run in runs]))
    return {run_id: adapter_id for run_id, adapter_id in session.execute(query)}


def list_adapters(session: Session, actor: Actor, *, limit: int = 50, after: str | None = None) -> list[Adapter]:
    """Newest first; `after` is the id of the last one seen."""
    query = select(Adapter).where(Adapter.owner_id == actor.id).order_by(Adapter.id.desc()).limit(limit)
    if after:
        query = query.where(Adapter.id < after)
    return list(session.scalars(query))
