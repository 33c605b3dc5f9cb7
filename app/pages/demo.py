"""The demo in one click: the bundled tickets become a dataset, the demo recipe becomes a run."""

from importlib import resources

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, Services
from studio import datasets, runs, spending
from studio.actors import Actor
from studio.storage import sha256_of

router = APIRouter()
_FILE_NAME = "support-tickets.jsonl"
_NAME = "Support tickets (demo)"
_RECIPE_ID = "demo"


@router.post("/demo")
def launch_demo(session: CurrentSession, actor: CurrentActor, services: CurrentServices) -> RedirectResponse:
    """Import the demo dataset unless it is there, and train on it."""
    spec = _demo_spec(_demo_dataset(session, actor, services).latest)
    run = spending.launch(session, actor, spec, queue=services.queue, settings=services.settings, name="Demo")
    return RedirectResponse(f"/runs/{run.id}", status_code=303)


def _demo_dataset(session: Session, actor: Actor, services: Services) -> datasets.Dataset:
    source = resources.files("examples").joinpath(_FILE_NAME)
    with resources.as_file(source) as path:
        known = sha256_of(path)
        for dataset in datasets.list_datasets(session, actor, limit=200):
            if dataset.latest.original_sha256 == known:
                return dataset
        limit_bytes = services.settings.upload_limit_bytes
        with datasets.Receiver(services.settings.uploads_dir, _FILE_NAME, limit_bytes) as receiver:
            receiver.write(path.read_bytes())
            upload = receiver.finish()
    return datasets.import_upload(session, actor, upload, storage=services.storage, name=_NAME, queue=services.queue)


def _demo_spec(version: datasets.DatasetVersion) -> runs.RunSpec:
    recipe = runs.get_recipe(_RECIPE_ID)
    parts = dict(recipe.parts) if recipe else {}
    data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
    return runs.validate_spec(parts | {"data": {**parts.get("data", {}), **data}})
