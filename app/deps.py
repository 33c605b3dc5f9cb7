"""What routes receive: the services made at start, a session that commits before the response, and the actor."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from studio.actors import LOCAL_ACTOR, Actor
from studio.db import SessionFactory
from studio.queue import Queue
from studio.settings import Settings
from studio.storage import Storage
from studio.wire import Wire


@dataclass(frozen=True, slots=True)
class Services:
    """Made once at start and passed in."""

    settings: Settings
    session_factory: SessionFactory
    storage: Storage
    queue: Queue
    wire: Wire


def get_services(request: Request) -> Services:
    """The services of this application."""
    return cast(Services, request.app.state.services)


def get_session(request: Request) -> Iterator[Session]:
    """A session in a transaction; reads take no write lock on SQLite."""
    services = get_services(request)
    with services.session_factory() as session:
        if request.method in {"GET", "HEAD"}:
            session.connection(execution_options={"read_only": True})
        with session.begin() if not session.in_transaction() else session.get_transaction():  # type: ignore[union-attr]
            yield session


def get_actor() -> Actor:
    """Local mode has one person."""
    return LOCAL_ACTOR


# scope="function" runs the commit before the response is sent, so that a redirect never outruns its row.
CurrentSession = Annotated[Session, Depends(get_session, scope="function")]
CurrentActor = Annotated[Actor, Depends(get_actor)]
CurrentServices = Annotated[Services, Depends(get_services)]
