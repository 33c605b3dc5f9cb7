"""What routes receive: the services made at start, a session that commits before the response, and the actor."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from studio import datasets
from studio.actors import LOCAL_ACTOR, Actor
from studio.chores import Chore
from studio.datasets import Dataset, DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.errors import NotFound
from studio.hashes import KnownHashes
from studio.ids import ID_PATTERN
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
    hashes: KnownHashes = field(default_factory=KnownHashes)


def get_services(request: Request) -> Services:
    """The services of this application."""
    return cast(Services, request.app.state.services)


def get_session(request: Request) -> Iterator[Session]:
    """A session in a transaction; safe methods only read, and take no write lock on SQLite."""
    factory = get_services(request).session_factory
    opened = reading if request.method in {"GET", "HEAD"} else transaction
    with opened(factory) as session:
        yield session


def get_actor() -> Actor:
    """Local mode has one person."""
    return LOCAL_ACTOR


def _checked_id(value: str) -> str:
    """Refuse what cannot be an id before it reaches SQL or a path: for a person, it is just not there."""
    if not ID_PATTERN.fullmatch(value):
        raise NotFound("There is no such page.")
    return value


# scope="function" runs the commit before the response is sent, so that a redirect never outruns its row.
# Without a limit, 40 requests that wait for one of 15 connections hold all threads, and none is left for those that
# have one to go on with; waiting for this limit takes no thread. The readers of streams need connections, too.
CurrentSession = Annotated[Session, Depends(get_session, scope="function", max_concurrency=8)]
CurrentActor = Annotated[Actor, Depends(get_actor)]
CurrentServices = Annotated[Services, Depends(get_services)]
IdInPath = Annotated[str, Path(description="An id."), AfterValidator(_checked_id)]
VersionNumber = Annotated[
    int | None, Query(alias="version", ge=1, le=10**6, description="The number of a version; the newest without one.")
]


def _dataset_in_path(dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> Dataset:
    """The dataset that an address names; raises NotFound."""
    return datasets.get_dataset(session, actor, dataset_id)


DatasetInPath = Annotated[Dataset, Depends(_dataset_in_path, scope="function")]


def _picked_version(dataset: DatasetInPath, number: VersionNumber = None) -> DatasetVersion:
    """The version that an address names, the newest unless it says `?version=`; raises NotFound."""
    return datasets.pick_version(dataset, number)


PickedVersion = Annotated[DatasetVersion, Depends(_picked_version, scope="function")]


def _compared_versions(
    dataset: DatasetInPath,
    before: Annotated[int, Query(alias="from", ge=1, le=10**6)],
    after: Annotated[int, Query(alias="to", ge=1, le=10**6)],
) -> tuple[DatasetVersion, DatasetVersion]:
    """Two versions of a dataset, as `?from=` and `?to=` say; raises NotFound."""
    return datasets.pick_version(dataset, before), datasets.pick_version(dataset, after)


ComparedVersions = Annotated[tuple[DatasetVersion, DatasetVersion], Depends(_compared_versions, scope="function")]


def _mending_in_path(
    dataset: DatasetInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor
) -> tuple[Chore, DatasetVersion]:
    """The recipe at work that an address names, and the version that it mends; raises NotFound."""
    return datasets.get_mending(session, actor, dataset, chore_id)


def _splitting_in_path(
    dataset: DatasetInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor
) -> tuple[Chore, DatasetVersion]:
    """The split at work that an address names, and the version that it splits; raises NotFound."""
    return datasets.get_splitting(session, actor, dataset, chore_id)


MendingInPath = Annotated[tuple[Chore, DatasetVersion], Depends(_mending_in_path, scope="function")]
SplittingInPath = Annotated[tuple[Chore, DatasetVersion], Depends(_splitting_in_path, scope="function")]
PageNumber = Annotated[int, Query(ge=1, le=10**6)]
PageLimit = Annotated[int, Query(ge=1, le=200, description="At most this many.")]
PageAfter = Annotated[str | None, Query(pattern=ID_PATTERN.pattern, description="The last id of the page before.")]
