"""The card of a dataset, and the files that it leaves as."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.deps import CurrentActor, CurrentSession, IdInPath
from app.render import render
from studio import datasets, runs

router = APIRouter(prefix="/datasets/{dataset_id}/card")


@router.get("")
def show_card(request: Request, dataset_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The card as it is downloaded, beside the files."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = dataset.latest
    found = datasets.found_by_checks(session, actor, version)
    context = {
        "dataset": dataset,
        "version": version,
        "tab": "card",
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
        "card": datasets.dataset_card(dataset, version, datasets.version_split_sizes(version), found),
    }
    return render(request, "datasets/card.html", context)
