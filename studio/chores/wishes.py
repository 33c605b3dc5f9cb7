"""What people ask of chores."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.chores.models import Chore, ChoreKind
from studio.db import on_commit, utc_now
from studio.errors import NotFound
from studio.queue import Queue


def ask(
    session: Session,
    actor: Actor,
    kind: ChoreKind,
    key: str,
    params: dict[str, Any],
    *,
    queue: Queue,
    version_id: str | None = None,
    again: bool = False,
) -> Chore:
    """The chore of this key: the one that is going on or done, else a new one; `again` does a done one anew.

    A failed or cancelled one is asked for anew. Flushes; the hint is sent after the commit.
    """
    found = newest(session, actor, kind, key)
    if found is not None and (found.status in {"queued", "running"} or (found.status == "done" and not again)):
        return found
    chore = Chore(owner_id=actor.id, kind=kind, key=key, params=params, version_id=version_id)
    try:
        with session.begin_nested():
            session.add(chore)
    except IntegrityError:
        other = newest(session, actor, kind, key)
        if other is None:
            raise
        return other
    on_commit(session, lambda: queue.send_chore(chore.id))
    return chore


def newest(session: Session, actor: Actor, kind: ChoreKind, key: str) -> Chore | None:
    """The last chore that was asked for with this key."""
    query = select(Chore).where(Chore.owner_id == actor.id, Chore.kind == kind, Chore.key == key)
    return session.scalar(query.order_by(Chore.id.desc()).limit(1).execution_options(populate_existing=True))


def get_chore(session: Session, actor: Actor, chore_id: str) -> Chore:
    """One chore; raises NotFound."""
    chore = session.get(Chore, chore_id, populate_existing=True)
    if chore is None or chore.owner_id != actor.id:
        raise NotFound("There is no such work.")
    return chore


def cancel(session: Session, actor: Actor, chore_id: str) -> Chore:
    """Stop it; one that is over stays as it is. Its worker notices at its next report. Raises NotFound."""
    get_chore(session, actor, chore_id)
    session.execute(
        update(Chore)
        .where(Chore.id == chore_id, Chore.status.in_(("queued", "running")))
        .values(status="cancelled", epoch=Chore.epoch + 1, worker=None, finished_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    return get_chore(session, actor, chore_id)
