"""A dataset leaves as files: its rows as JSON Lines or CSV, its card, its Croissant description."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion
from app.downloads import Download, Stored
from studio import datasets
from studio.storage import Storage

router = APIRouter(prefix="/datasets/{dataset_id}", tags=["datasets"])

_ROWS_A_READ = 500
# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


@router.head("/rows.jsonl", include_in_schema=False)
@router.get(
    "/rows.jsonl",
    summary="Download the rows",
    status_code=200,
    response_class=Download,
    responses={200: {"content": {"application/jsonl": {}}}, 206: {"description": "The range that was asked for."}},
)
def download_rows(version: PickedVersion, services: CurrentServices) -> Download:
    """The canonical rows of a version, one JSON object a line, as a run reads them."""
    return Download(
        services,
        Stored(
            key=version.rows_key,
            sha256=version.sha256,
            size_bytes=version.size_bytes,
            file_name=_file_name(version, "jsonl"),
            media_type="application/jsonl",
            what="dataset",
        ),
    )


@router.get("/rows.csv", summary="Download the rows as CSV", response_class=StreamingResponse)
def download_csv(version: PickedVersion, services: CurrentServices) -> StreamingResponse:
    """For spreadsheets: a cell that would be a formula gets an apostrophe before it; lists are JSON in a cell."""
    headers = {"content-disposition": f'attachment; filename="{_file_name(version, "csv")}"'}
    return StreamingResponse(_csv(services.storage, version), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/README.md", summary="Download the card", response_class=PlainTextResponse)
def download_card(version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> PlainTextResponse:
    """Markdown with the YAML head that model hubs read."""
    found = datasets.found_by_checks(session, actor, version)
    card = datasets.dataset_card(version.dataset, version, datasets.version_split_sizes(version), found)
    headers = {"content-disposition": 'attachment; filename="README.md"'}
    return PlainTextResponse(card, media_type="text/markdown; charset=utf-8", headers=headers)


@router.get("/croissant.json", summary="Download the Croissant description", response_class=JSONResponse)
def download_croissant(version: PickedVersion) -> JSONResponse:
    """JSON-LD that other tools load the rows by."""
    headers = {"content-disposition": 'attachment; filename="croissant.json"'}
    described = datasets.croissant(version.dataset, version)
    return JSONResponse(described, media_type="application/ld+json", headers=headers)


def _file_name(version: datasets.DatasetVersion, ending: str) -> str:
    return f"{datasets.file_stem(version.dataset.name)}-v{version.number}.{ending}"


def _csv(storage: Storage, version: datasets.DatasetVersion) -> Iterator[str]:
    columns: tuple[str, ...] = ()
    for start in range(0, version.row_count, _ROWS_A_READ):
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        for numbered in datasets.read_rows(version, storage=storage, start=start, limit=_ROWS_A_READ):
            if not columns:
                columns = tuple(numbered.row)
                writer.writerow([*columns, "split"])
            writer.writerow([*(_cell(numbered.row.get(column)) for column in columns), numbered.split])
        yield text.getvalue()


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA_MARKS) else text
