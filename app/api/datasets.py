"""Datasets over JSON: upload, list, preview, rename, delete."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.api.arrivals import ArrivalOut, arrival_out
from app.api.models import In, Out, Page, page_of
from app.deps import (
    CurrentActor,
    CurrentServices,
    CurrentSession,
    DatasetInPath,
    IdInPath,
    PageAfter,
    PageLimit,
    PickedVersion,
)
from app.uploads import ReceivedForm, UploadedBody, UploadedForm
from studio import datasets
from studio.datasets import SplitName
from studio.settings import Settings

router = APIRouter(prefix="/datasets", tags=["datasets"])

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "name": {"type": "string"},
        "mapping": {"type": "string", "description": "JSON object: target to column."},
        "leave_out": {"type": "boolean", "description": "Leave rows with problems out, up to half of the rows."},
        "validation_fraction": {"type": "number"},
        "test_fraction": {"type": "number"},
        "seed": {"type": "integer"},
    },
}
_BYTES: dict[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}


class VersionOut(Out):
    """An immutable version; a run names it by `id` and `sha256`."""

    id: str
    number: int
    file_name: str
    file_format: str
    file_size_bytes: int
    shape: str
    canonical: str
    column_mapping: dict[str, str] | None
    sha256: str
    size_bytes: int
    row_count: int
    split: datasets.Split
    facts: dict[str, Any]
    created_at: datetime


class DatasetIn(In):
    """What its owner says of a dataset; what is left out stays as it is."""

    name: str | None = Field(None, max_length=1000)
    license: str | None = Field(None, max_length=1000)


class DatasetOut(Out):
    """A dataset with its newest version; `license` is what its owner says of it, empty when that is nothing."""

    id: str
    name: str
    license: str
    created_at: datetime
    latest: VersionOut


class DatasetDetailOut(DatasetOut):
    """A dataset with all its versions."""

    versions: list[VersionOut]
    split_sizes: dict[SplitName, int]


class RowOut(Out):
    """A canonical row, its number in the file (from 1) and its split."""

    number: int
    split: SplitName
    row: dict[str, Any]


class RowsOut(Out):
    """A page of rows; `row_count` counts all that could be paged through."""

    rows: list[RowOut]
    row_count: int


@router.post(
    "",
    status_code=201,
    responses={202: {"model": ArrivalOut, "description": "A worker imports it."}},
    summary="Upload a dataset as a form",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
def upload_form(
    received: UploadedForm,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> DatasetDetailOut | ArrivalOut:
    """Import one file in the field `file`; every problem of a refused file is in `problems`.

    A large file is answered with 202 and is imported by a worker; follow its `url`.
    """
    return _answer(import_received(received, session, actor, services), response)


@router.put(
    "/upload",
    status_code=201,
    responses={202: {"model": ArrivalOut, "description": "A worker imports it."}},
    summary="Upload a dataset as a body",
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BYTES}}}},
)
def upload_body(
    received: UploadedBody,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    response: Response,
) -> DatasetDetailOut | ArrivalOut:
    """Import the body as the file `filename`; the form's other fields are taken from the query. Large ones as above."""
    return _answer(import_received(received, session, actor, services), response)


@router.get("", summary="List datasets")
def list_datasets(
    session: CurrentSession, actor: CurrentActor, limit: PageLimit = 50, after: PageAfter = None
) -> Page[DatasetOut]:
    """Newest first."""
    found = datasets.list_datasets(session, actor, limit=limit, after=after)
    items = [DatasetOut.model_validate(dataset) for dataset in found]
    return page_of(items, [dataset.id for dataset in found], limit)


@router.get("/{dataset_id}", summary="Show a dataset")
def show_dataset(dataset: DatasetInPath) -> DatasetDetailOut:
    """A dataset, its versions and the sizes of its splits."""
    return _detail(dataset)


@router.get("/{dataset_id}/rows", summary="Read rows")
def show_rows(
    version: PickedVersion,
    services: CurrentServices,
    split: SplitName | None = None,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> RowsOut:
    """Rows of a version from the `start`-th (from 0) of the file, or of one split of it."""
    rows = datasets.read_rows(version, storage=services.storage, start=start, limit=limit, split=split)
    count = datasets.version_split_sizes(version)[split] if split else version.row_count
    return RowsOut(rows=[RowOut.model_validate(row) for row in rows], row_count=count)


@router.patch("/{dataset_id}", summary="Rename a dataset, or say its licence")
def change_dataset(
    dataset_id: IdInPath, wanted: DatasetIn, session: CurrentSession, actor: CurrentActor
) -> DatasetDetailOut:
    """Give it another name or licence; its versions do not change."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    if wanted.name is not None:
        dataset = datasets.rename_dataset(session, actor, dataset_id, wanted.name)
    if wanted.license is not None:
        dataset = datasets.set_license(session, actor, dataset_id, wanted.license)
    return _detail(dataset)


@router.delete("/{dataset_id}", status_code=204, summary="Delete a dataset")
def delete_dataset(
    dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> None:
    """Remove it and its files; 409 while a run names it."""
    datasets.delete_dataset(session, actor, dataset_id, storage=services.storage)


def import_received(
    received: ReceivedForm, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> datasets.Dataset | datasets.ArrivalSight:
    """Make a dataset of what was uploaded, or have a worker do it, as the form's page does."""
    options = received.options
    return datasets.take_upload(
        session,
        actor,
        received.upload,
        storage=services.storage,
        name=options.name,
        mapping=options.mapping,
        split=options.split,
        leave_out=options.leave_out,
        small_bytes=services.settings.small_upload_bytes,
        limits=_limits(services.settings),
        queue=services.queue,
    )


def _answer(made: datasets.Dataset | datasets.ArrivalSight, response: Response) -> DatasetDetailOut | ArrivalOut:
    if isinstance(made, datasets.Dataset):
        response.headers["location"] = f"/api/datasets/{made.id}"
        return _detail(made)
    told = arrival_out(made)
    response.status_code = 202
    response.headers["location"] = told.url
    return told


def _limits(settings: Settings) -> datasets.ImportLimits:
    return datasets.ImportLimits(unpacked_limit_bytes=settings.unpacked_limit_bytes)


def _detail(dataset: datasets.Dataset) -> DatasetDetailOut:
    return DatasetDetailOut(
        **DatasetOut.model_validate(dataset).model_dump(),
        versions=[VersionOut.model_validate(version) for version in dataset.versions],
        split_sizes=datasets.version_split_sizes(dataset.latest),
    )
