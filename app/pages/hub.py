"""A dataset from the Hub: the form that says which rows, and the import that fetches them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from app.deps import CurrentActor, CurrentServices, CurrentSession, Services
from app.forms import FormState, as_text
from app.pages._upload_form import UploadForm
from app.pages._values import FormValues
from app.render import go_to, render
from studio import datasets
from studio.datasets import Arrival, HubSource
from studio.errors import InvalidInput
from studio.ids import ID_PATTERN
from studio.runs import errors_by_field

router = APIRouter(prefix="/datasets")
_PREFIX = "hub"


@router.get("/new/hub")
def new_from_hub(
    request: Request,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    arrival: Annotated[str | None, Query(pattern=ID_PATTERN.pattern)] = None,
) -> HTMLResponse:
    """The form, empty or as it was filled in for an import."""
    values = _values(datasets.get_arrival(session, actor, arrival).arrival) if arrival else {}
    return _form(request, values, services)


@router.post("/hub")
def fetch_from_hub(
    request: Request, form: FormValues, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Have the rows fetched and imported; what needs another look is told at its field."""
    beside = UploadForm(form)
    try:
        sight = datasets.ask_hub(
            session, actor, _source(form), queue=services.queue, name=beside.name, split=beside.split()
        )
    except InvalidInput as error:
        return _form(request, form, services, error)
    return go_to(request, f"/datasets/arrivals/{sight.arrival.id}")


def _values(arrival: Arrival) -> dict[str, str]:
    source = {name: value for name, value in arrival.source.items() if name in HubSource.model_fields}
    split = arrival.options["split"]
    parts = {f"{_PREFIX}.{name}": value for name, value in source.items()}
    values = parts | {f"split.{name}": value for name, value in split.items()} | {"name": arrival.name}
    return {name: as_text(value) for name, value in values.items()}


def _source(form: Mapping[str, str]) -> HubSource:
    given = {name: form.get(f"{_PREFIX}.{name}", "").strip() for name in HubSource.model_fields}
    try:
        return HubSource.model_validate({"repository": "", **{name: text for name, text in given.items() if text}})
    except ValidationError as error:
        fields = {f"{_PREFIX}.{name}": sentence for name, sentence in errors_by_field(error).items()}
        raise InvalidInput("Some fields need another look.", fields=fields) from error


def _form(
    request: Request, values: Mapping[str, str], services: Services, error: InvalidInput | None = None
) -> HTMLResponse:
    fields = error.fields if error else {}
    context: dict[str, Any] = {
        "name": values.get("name", ""),
        "error": error,
        "fields": fields,
        "hub_fields": FormState(values, fields).fields(HubSource, _PREFIX),
        "split_fields": UploadForm(values).split_fields(fields),
        "limit_bytes": services.settings.upload_limit_bytes,
        "place": services.settings.hub_endpoint.partition("//")[2],
    }
    return render(request, "datasets/new_hub.html", context, error.status_code if error else 200)
