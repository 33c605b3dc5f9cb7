"""Fixes: what a recipe would change, shown before it is done, and the version that it makes."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, IdInPath, Services, VersionNumber
from app.pages._fixes import recipe_of
from app.pages._rows import Turn, turns_of
from app.pages._values import FormValues
from app.render import go_to, render
from studio import chores, datasets, runs
from studio.actors import Actor
from studio.chores import Chore
from studio.datasets import ChangedRow, Dataset, DatasetVersion, Recipe
from studio.db import utc_now

router = APIRouter(prefix="/datasets/{dataset_id}/mendings")
_PAGE_CHANGES = 20
_LONG_WAIT_SECONDS = 40.0
PageNumber = Annotated[int, Query(ge=1, le=10**6)]


@router.post("")
def try_fixes(
    request: Request,
    dataset_id: IdInPath,
    form: FormValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    number: VersionNumber = None,
) -> Response:
    """Try the chosen fixes; what they would change is shown first."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    version = datasets.pick_version(dataset, number)
    return try_recipe(request, session, actor, services, version, recipe_of(form))


@router.get("/{chore_id}")
def show_mending(
    request: Request,
    dataset_id: IdInPath,
    chore_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: PageNumber = 1,
) -> Response:
    """What would change; a version that was made leads to the list of versions."""
    return _shown(request, "datasets/mending.html", _context(session, actor, services, dataset_id, chore_id, page))


@router.get("/{chore_id}/progress")
def show_progress(
    request: Request,
    dataset_id: IdInPath,
    chore_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """The same alone, while it is worked on."""
    return _shown(request, "datasets/_mending.html", _context(session, actor, services, dataset_id, chore_id, 1))


@router.post("/{chore_id}/version")
def make_version(
    request: Request,
    dataset_id: IdInPath,
    chore_id: IdInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Keep what was tried as a new version."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    chore, parent = datasets.get_mending(session, actor, dataset, chore_id)
    recipe = datasets.read_recipe(chore.params["recipe"])
    made = _ask(session, actor, services, parent, recipe, publish=True)
    return go_to(request, f"/datasets/{dataset.id}/mendings/{made.id}")


@router.post("/{chore_id}/cancel")
def stop(dataset_id: IdInPath, chore_id: IdInPath, session: CurrentSession, actor: CurrentActor) -> RedirectResponse:
    """Stop it."""
    dataset = datasets.get_dataset(session, actor, dataset_id)
    datasets.get_mending(session, actor, dataset, chore_id)
    chores.cancel(session, actor, chore_id)
    return RedirectResponse(f"/datasets/{dataset.id}/mendings/{chore_id}", status_code=303)


def try_recipe(
    request: Request,
    session: Session,
    actor: Actor,
    services: Services,
    version: DatasetVersion,
    recipe: Recipe,
    *,
    publish: bool = False,
) -> Response:
    """Ask for a preview, or for the version at once, and lead to it."""
    chore = _ask(session, actor, services, version, recipe, publish=publish)
    return go_to(request, f"/datasets/{version.dataset_id}/mendings/{chore.id}")


def _ask(
    session: Session, actor: Actor, services: Services, version: DatasetVersion, recipe: Recipe, *, publish: bool
) -> Chore:
    cache = services.settings.cache_dir
    return datasets.ask_mending(session, actor, version, recipe, queue=services.queue, publish=publish, cache=cache)


def _shown(request: Request, template: str, context: dict[str, Any]) -> Response:
    chore: Chore = context["chore"]
    if chore.status == "done" and chore.params["publish"]:
        dataset: Dataset = context["dataset"]
        return go_to(request, f"/datasets/{dataset.id}/versions?made={chore.result['number']}")
    return render(request, template, context)


def _context(
    session: Session, actor: Actor, services: Services, dataset_id: str, chore_id: str, page: int
) -> dict[str, Any]:
    dataset = datasets.get_dataset(session, actor, dataset_id)
    chore, parent = datasets.get_mending(session, actor, dataset, chore_id)
    cache = services.settings.cache_dir
    changes = datasets.read_changes(cache, chore, start=(page - 1) * _PAGE_CHANGES, limit=_PAGE_CHANGES)
    waited = (utc_now() - chore.created_at).total_seconds()
    return {
        "dataset": dataset,
        "version": parent,
        "tab": "checks",
        "runs": runs.list_runs(session, actor, dataset_id=dataset.id, limit=1),
        "chore": chore,
        "is_waiting_long": chore.status == "queued" and waited > _LONG_WAIT_SECONDS,
        "steps": list(zip(datasets.sentences(chore.params["recipe"]), chore.result.get("steps", ()), strict=False)),
        "sentences": datasets.sentences(chore.params["recipe"]),
        "next_number": dataset.latest.number + 1,
        "changes": None if changes is None else [(change, *_sides(change)) for change in changes],
        "page": page,
        "pages": max(1, -(-_kept(chore) // _PAGE_CHANGES)),
    }


def _kept(chore: Chore) -> int:
    """How many changes can be looked at; more are only counted."""
    told = int(chore.result.get("dropped", 0)) + int(chore.result.get("changed", 0))
    return min(told, datasets.CHANGES_KEPT)


def _sides(change: ChangedRow) -> tuple[list[Turn], list[Turn]]:
    """The turns before, and those after that are not the same."""
    before = turns_of(change.before)
    return before, [turn for turn in turns_of(change.after) if turn not in before] if change.after else []
