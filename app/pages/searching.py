"""Search the rows of a dataset for a text."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, VersionNumber
from app.pages._rows import RowView
from app.render import render
from studio import datasets, runs

router = APIRouter(prefix="/datasets/{dataset_id}/search")
_PAGE_ROWS = 10
Pieces = list[tuple[str, bool]]


@router.get("")
def search(
    request: Request,
    dataset_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    q: Annotated[str, Query(max_length=datasets.LONGEST_SEARCH)] = "",
    start: Annotated[int, Query(ge=0, le=10**9)] = 0,
    number: VersionNumber = None,
) -> HTMLResponse:
    """Ten rows that hold the text, and where to go on."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, number)
    context: dict[str, Any] = {
        "dataset": dataset,
        "version": version,
        "tab": "preview",
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
        "q": q,
        "start": start,
        "found": None,
        "rows": [],
    }
    if q.strip():
        found = datasets.search_rows(version, q, storage=services.storage, start=start, limit=_PAGE_ROWS)
        rows = datasets.read_places(version, storage=services.storage, places=found.places)
        context |= {"found": found, "rows": [(RowView.of(row), q) for row in rows]}
    return render(request, "datasets/search.html", context | {"marked": marked})


def marked(text: str, wanted: str) -> Pieces:
    """A text in pieces, and whether each is what was looked for; templates escape them one by one."""
    pieces = re.split(f"({re.escape(wanted)})", text, flags=re.IGNORECASE)
    return [(piece, place % 2 == 1) for place, piece in enumerate(pieces) if piece]
