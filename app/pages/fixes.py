"""Fixes: what a recipe would change, shown before it is done, and the version that it makes."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import (
    CurrentActor,
    CurrentServices,
    CurrentSession,
    MendingInPath,
    PageNumber,
    PickedVersion,
    Services,
)
from app.pages._fixes import recipe_of
from app.pages._header import header_of, waits_long
from app.pages._rows import Turn, turns_of
from app.pages._values import FormValues
from app.render import go_to, render
from studio import chores, datasets
from studio.actors import Actor
from studio.chores import Chore
from studio.datasets import ChangedRow, Dataset, DatasetVersion, Recipe

router = APIRouter(prefix="/datasets/{dataset_id}/mendings")
_PAGE_CHANGES = 20


@router.post("")
def try_fixes(
    request: Request,
    version: PickedVersion,
    form: FormValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Try the chosen fixes; what they would change is shown first."""
    return try_recipe(request, session, actor, services, version, recipe_of(form))


def _tried(
    mending: MendingInPath,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    page: PageNumber = 1,
) -> dict[str, Any]:
    """What a recipe at work is drawn from."""
    chore, parent = mending
    cache = services.settings.cache_dir
    changes = datasets.read_changes(cache, chore, start=(page - 1) * _PAGE_CHANGES, limit=_PAGE_CHANGES)
    # A test file of one's own is chosen on the tab of splits; everything else begins at the checks.
    tab = "split" if any(step["do"] == "add_test" for step in chore.params["recipe"]) else "checks"
    return header_of(session, actor, parent, tab) | {
        "chore": chore,
        "is_waiting_long": waits_long(chore),
        "steps": list(zip(datasets.sentences(chore.params["recipe"]), chore.result.get("steps", ()), strict=False)),
        "sentences": datasets.sentences(chore.params["recipe"]),
        "next_number": parent.dataset.latest.number + 1,
        "changes": None if changes is None else [(change, *_sides(change)) for change in changes],
        "page": page,
        "pages": max(1, -(-_kept(chore) // _PAGE_CHANGES)),
    }


Tried = Annotated[dict[str, Any], Depends(_tried, scope="function")]


@router.get("/{chore_id}")
def show_mending(request: Request, tried: Tried) -> Response:
    """What would change; a version that was made leads to the list of versions."""
    return _shown(request, "datasets/mending.html", tried)


@router.get("/{chore_id}/progress")
def show_progress(request: Request, tried: Tried) -> Response:
    """The same alone, while it is worked on."""
    return _shown(request, "datasets/_mending.html", tried)


@router.post("/{chore_id}/version")
def make_version(
    request: Request, mending: MendingInPath, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Keep what was tried as a new version."""
    chore, parent = mending
    recipe = datasets.read_recipe(chore.params["recipe"])
    made = _ask(session, actor, services, parent, recipe, publish=True)
    return go_to(request, f"/datasets/{parent.dataset_id}/mendings/{made.id}")


@router.post("/{chore_id}/cancel")
def stop(mending: MendingInPath, session: CurrentSession, actor: CurrentActor) -> RedirectResponse:
    """Stop it."""
    chore, parent = mending
    chores.cancel(session, actor, chore.id)
    return RedirectResponse(f"/datasets/{parent.dataset_id}/mendings/{chore.id}", status_code=303)


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


def _kept(chore: Chore) -> int:
    """How many changes can be looked at; more are only counted."""
    told = int(chore.result.get("dropped", 0)) + int(chore.result.get("changed", 0))
    return min(told, datasets.CHANGES_KEPT)


def _sides(change: ChangedRow) -> tuple[list[Turn], list[Turn]]:
    """The turns before, and those after that are not the same."""
    before = turns_of(change.before)
    return before, [turn for turn in turns_of(change.after) if turn not in before] if change.after else []
