"""The first rows of a file as the chosen columns would be read, while a person chooses; nothing is kept."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages._refusal import SAMPLES_FIELD, mapping_of, preview_of
from app.pages._values import FormValues
from app.render import render
from studio import datasets

router = APIRouter(prefix="/datasets")


@router.post("/mapping-preview")
def show_mapped(request: Request, form: FormValues) -> HTMLResponse:
    """Three rows, or what the mapping lacks; the rows come with the form."""
    samples = datasets.read_samples(form.get(SAMPLES_FIELD, ""))
    return render(request, "datasets/_mapping_preview.html", {"preview": preview_of(samples, mapping_of(form))})
