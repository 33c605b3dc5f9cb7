"""The launch form: draw it, preview it, fill it from YAML, and launch."""

from fastapi import APIRouter, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, Services
from app.forms import flat
from app.pages._draft import make_draft
from app.pages._entered import checked_spec, starting_values
from app.pages._hardware import HARDWARE_FIELD
from app.pages._values import FormValues
from app.render import is_fragment_request, render
from studio import runs, spending
from studio.actors import Actor
from studio.errors import InvalidInput

router = APIRouter(prefix="/runs")
_SPEC_LIMIT_BYTES = 256_000
_YAML = "application/yaml"


@router.get("/new")
def new_run(
    request: Request, session: CurrentSession, actor: CurrentActor, services: CurrentServices, recipe: str | None = None
) -> HTMLResponse:
    """The form, empty or filled from a recipe, a dataset or an earlier run."""
    values = starting_values(session, actor, request)
    draft = make_draft(session, actor, services, values, recipe=recipe)
    return render(request, "runs/new.html", draft.context())


@router.post("")
def launch_run(
    request: Request, form: FormValues, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Launch, or show the form again with a sentence at each field."""
    return _launched(request, form, session, actor, services)


@router.post("/trial")
def try_run(
    request: Request, form: FormValues, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> Response:
    """Launch a trial of what the form says; the form itself may still be launched."""
    key = form.get("idempotency_key")
    return _launched(
        request,
        form | ({"idempotency_key": f"{key}-trial"} if key else {}),
        session,
        actor,
        services,
        terms=runs.Terms(kind="trial"),
    )


def _launched(
    request: Request,
    form: dict[str, str],
    session: Session,
    actor: Actor,
    services: Services,
    terms: runs.Terms | None = None,
) -> Response:
    try:
        run = spending.launch(
            session,
            actor,
            checked_spec(session, actor, form),
            queue=services.queue,
            settings=services.settings,
            hardware_id=form.get(HARDWARE_FIELD) or None,
            name=form.get("name", ""),
            parent_run_id=form.get("parent_run_id") or None,
            idempotency_key=form.get("idempotency_key"),
            terms=terms,
        )
    except InvalidInput as error:
        draft = make_draft(session, actor, services, form, error=error)
        return render(request, "runs/new.html", draft.context(), error.status_code)
    return RedirectResponse(f"/runs/{run.id}", status_code=303)


@router.post("/estimate")
def estimate_run(
    request: Request, form: FormValues, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """What the form comes to: the card alone for htmx, with a newly chosen dataset's split; else the whole form."""
    recipe = request.query_params.get("recipe")
    draft = make_draft(session, actor, services, form, recipe=recipe, split_follows=True)
    is_fragment = is_fragment_request(request)
    context = draft.context() | {"is_fragment": is_fragment}
    return render(request, "runs/_plan.html" if is_fragment else "runs/new.html", context)


@router.post("/spec.yaml")
def download_spec(form: FormValues, session: CurrentSession, actor: CurrentActor) -> Response:
    """The form as YAML."""
    text = checked_spec(session, actor, form).to_yaml()
    return PlainTextResponse(
        text, media_type=_YAML, headers={"Content-Disposition": 'attachment; filename="run-spec.yaml"'}
    )


@router.post("/spec")
def upload_spec(
    request: Request, file: UploadFile, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> HTMLResponse:
    """Fill the form from a YAML file; what it says wrongly is named at its field."""
    values, problem = _read_spec(file)
    draft = make_draft(session, actor, services, values, error=problem)
    return render(request, "runs/new.html", draft.context(), problem.status_code if problem else 200)


def _read_spec(file: UploadFile) -> tuple[dict[str, str], InvalidInput | None]:
    """The file's values; the dataset is looked up by the form, which says so when it is not there."""
    content = file.file.read(_SPEC_LIMIT_BYTES + 1)
    try:
        spec = runs.spec_from_yaml(content.decode("utf-8"))
    except UnicodeDecodeError:
        return {}, InvalidInput("The file is not UTF-8 text. Upload a run spec in YAML.")
    except InvalidInput as error:
        return {}, error
    return flat(spec.model_dump(mode="json")), None
