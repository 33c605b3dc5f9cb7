"""Search the rows of a dataset for a text."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion
from app.pages._header import header_of
from app.pages._rows import RowView
from app.render import render
from studio import datasets

router = APIRouter(prefix="/datasets/{dataset_id}/search")
_PAGE_ROWS = 10
Pieces = list[tuple[str, bool]]


@router.get("")
def search(
    request: Request,
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    q: Annotated[str, Query(max_length=datasets.LONGEST_SEARCH)] = "",
    start: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> HTMLResponse:
    """Ten rows that hold the text, and where to go on."""
    context: dict[str, Any] = {"q": q, "start": start, "found": None, "rows": []}
    if q.strip():
        found = datasets.search_rows(version, q, storage=services.storage, start=start, limit=_PAGE_ROWS)
        rows = datasets.read_places(version, storage=services.storage, places=found.places)
        context |= {"found": found, "rows": [(RowView.of(row), q) for row in rows]}
    header = header_of(session, actor, version, "preview")
    return render(request, "datasets/search.html", header | context | {"marked": marked})


def marked(text: str, wanted: str) -> Pieces:
    """A text in pieces, and whether each is what was looked for; templates escape them one by one."""
    pieces = re.split(f"({re.escape(wanted)})", text, flags=re.IGNORECASE)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]
