"""Take another dataset's rows to test with: what would be left out of training is shown first."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion
from app.pages.fixes import try_recipe
from studio import datasets
from studio.ids import ID_PATTERN

router = APIRouter(prefix="/datasets/{dataset_id}/own-test")


@router.post("")
def take_test(
    request: Request,
    version: PickedVersion,
    source_id: Annotated[str, Form(alias="dataset", pattern=ID_PATTERN.pattern)],
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    present_test: Annotated[Literal["keep", "drop", "train"], Form()] = "keep",
) -> Response:
    """Try it with the newest version of the dataset that was chosen."""
    source = datasets.get_dataset(session, actor, source_id).latest
    step = {"do": "add_test", "dataset_version_id": source.id, "present_test": present_test}
    return try_recipe(request, session, actor, services, version, datasets.read_recipe([step]))
