"""The card of a dataset, and the files that it leaves as."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.deps import CurrentActor, CurrentSession, PickedVersion
from app.pages._header import header_of
from app.render import render
from studio import datasets

router = APIRouter(prefix="/datasets/{dataset_id}/card")


@router.get("")
def show_card(request: Request, version: PickedVersion, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The card as it is downloaded, beside the files."""
    found = datasets.found_by_checks(session, actor, version)
    card = datasets.dataset_card(version.dataset, version, datasets.version_split_sizes(version), found)
    return render(request, "datasets/card.html", header_of(session, actor, version, "card") | {"card": card})
