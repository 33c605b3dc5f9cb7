"""What a base model's tokenizer makes of a dataset: how long its rows are, what is learned, the tokens of a row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PageNumber, PickedVersion, Services
from app.forms import HUB, HUB_FIELD
from app.pages._facts import copies_of, distributions_of
from app.pages._header import header_of, waits_long
from app.pages._histogram import draw_histogram
from app.pages._values import FormValues
from app.pages.fixes import try_recipe
from app.render import render
from studio import chores, datasets
from studio.actors import Actor
from studio.base_models import DEMO_ID, BaseModelFacts, get_base_model, list_base_models
from studio.chores import Chore
from studio.datasets import DatasetVersion, LongRow, Profile, Token, Truth
from studio.errors import InvalidInput, NotFound

router = APIRouter(prefix="/datasets/{dataset_id}")
_SHORTEST = 16
_PAGE_ROWS = 50
# As many as one step of a recipe names.
_MOST_DROPPED = 100_000
_PAGE_TOKENS = 2000
_TRAIN_ON = ("answers", "everything")
_LISTS = {"cut": "Rows that are cut", "untaught": "Rows without a learned token"}


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at, and how."""

    session: Session
    actor: Actor
    services: Services
    version: DatasetVersion
    base_model: BaseModelFacts
    max_length: int
    train_on: str

    @property
    def chore(self) -> Chore | None:
        """The newest count, in whatever state it is."""
        return datasets.profile_of(self.session, self.actor, self.version, self.base_model.id, self.train_on)

    @property
    def profile(self) -> Profile | None:
        """The counted tokens, where they are and are kept."""
        chore = self.chore
        if chore is None or chore.status != "done":
            return None
        return Profile.open(self.services.settings.cache_dir, chore)

    def query(self, **changes: Any) -> str:
        """The same look as the query of an address."""
        parts: dict[str, Any] = {
            "base_model": self.base_model.id,
            "max_length": self.max_length,
            "train_on": self.train_on if self.train_on != "answers" else None,
            "version": self.version.number if self.version.number != self.version.dataset.latest.number else None,
        }
        return urlencode({name: value for name, value in (parts | changes).items() if value is not None})

    def address(self, path: str, **changes: Any) -> str:
        """A page of this dataset, looked at in the same way."""
        return f"/datasets/{self.version.dataset_id}/{path}?{self.query(**changes)}"

    def launch_query(self) -> str:
        """What the launch form is to begin with, but for the dataset."""
        profile = self.profile
        length = profile.suggestion if profile else self.max_length
        return urlencode({"base_model": self.base_model.id, "max_length": length, "train_on": self.train_on})

    def context(self) -> dict[str, Any]:
        """What the header of a dataset and every template here need."""
        chore = self.chore
        header = header_of(self.session, self.actor, self.version, "profile")
        return header | {"look": self, "chore": chore, "is_waiting_long": waits_long(chore)}


def _look(
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    base_model: Annotated[str | None, Query(max_length=200)] = None,
    max_length: Annotated[int, Query(ge=_SHORTEST, le=datasets.LONGEST_ALLOWED)] = 1024,
    train_on: Annotated[str, Query(pattern="^(answers|everything)$")] = "answers",
) -> Looked:
    """What the address asks for: by default the base model that was counted last, or the demo."""
    if base_model is None:
        last = datasets.last_profile(session, actor, version)
        base_model = last.params["base_model"] if last else DEMO_ID
    facts = get_base_model(base_model, services.settings.models_root)
    return Looked(session, actor, services, version, facts, max_length, train_on)


CurrentLook = Annotated[Looked, Depends(_look, scope="function")]


@router.get("/profile")
def show_profile(request: Request, look: CurrentLook) -> HTMLResponse:
    """The lengths of the rows for a base model, and what a longest row makes of them."""
    families: dict[str, list[BaseModelFacts]] = {}
    for facts in list_base_models(look.services.settings.models_root):
        families.setdefault(facts.family, []).append(facts)
    context = look.context() | {"families": families} | _counted(look) | _checked(look)
    return render(request, "datasets/profile.html", context)


@router.get("/profile/progress")
def show_progress(request: Request, look: CurrentLook) -> HTMLResponse:
    """The counting alone, while it goes on."""
    return render(request, "datasets/_profile.html", look.context() | _counted(look))


@router.post("/profile")
def count(form: FormValues, look: CurrentLook) -> Response:
    """Count the tokens for a base model, unless they are counted and kept; `again` counts them anew."""
    wanted = _wanted(form, look)
    datasets.ask_profile(
        look.session,
        look.actor,
        look.version,
        wanted.base_model.id,
        wanted.train_on,
        queue=look.services.queue,
        cache=look.services.settings.cache_dir,
        again="again" in form,
    )
    return RedirectResponse(wanted.address("profile"), status_code=303)


@router.post("/profile/cancel")
def stop(look: CurrentLook) -> Response:
    """Stop counting."""
    if look.chore is not None:
        chores.cancel(look.session, look.actor, look.chore.id)
    return RedirectResponse(look.address("profile"), status_code=303)


@router.get("/profile/rows/{kind}")
def show_rows(request: Request, kind: str, look: CurrentLook, page: PageNumber = 1) -> HTMLResponse:
    """The rows whose answer is cut, or without a learned token, a page at a time."""
    total, read = _listed(look, kind)
    pages = max(1, -(-total // _PAGE_ROWS))
    page = min(page, pages)
    rows = read(look.max_length, start=(page - 1) * _PAGE_ROWS, limit=_PAGE_ROWS)
    found = {"kind": kind, "title": _LISTS[kind], "rows": rows, "total": total, "page": page, "pages": pages}
    return render(request, "datasets/profile_rows.html", look.context() | found)


@router.post("/profile/rows/{kind}")
def try_without(request: Request, kind: str, look: CurrentLook) -> Response:
    """What the next version would be without all rows of the list."""
    rows = [found.row for found in _listed(look, kind)[1](look.max_length, start=0, limit=_MOST_DROPPED + 1)]
    if not 1 <= len(rows) <= _MOST_DROPPED:
        raise InvalidInput(f"From 1 to {_MOST_DROPPED:,} rows are dropped at once. Choose another longest row.")
    recipe = datasets.read_recipe([{"do": "drop_rows", "rows": sorted(rows)}])
    return try_recipe(request, look.session, look.actor, look.services, look.version, recipe)


@router.get("/rows/{row}/tokens")
def show_tokens(request: Request, row: int, look: CurrentLook, page: PageNumber = 1) -> HTMLResponse:
    """Every token of a row: learned, only read, or cut."""
    if not 1 <= row <= look.version.row_count:
        raise NotFound(f"There is no row {row}: the dataset has {look.version.row_count:,}.")
    view = None
    if look.chore is not None and look.profile is not None:
        folder, start = look.services.settings.token_cache_dir, (page - 1) * _PAGE_TOKENS
        view = datasets.read_tokens(folder, look.chore.result, row, look.max_length, start=start, limit=_PAGE_TOKENS)
    context: dict[str, Any] = {"row": row, "view": view, "page": page, "pages": 1, "stretches": []}
    if view is not None:
        context |= {"pages": max(1, -(-view.count // _PAGE_TOKENS)), "stretches": _stretches(view.tokens)}
    return render(request, "datasets/tokens.html", look.context() | context)


def _listed(look: Looked, kind: str) -> tuple[int, Callable[..., list[LongRow]]]:
    """How many rows a list has, and what reads them; raises NotFound."""
    profile = look.profile
    if kind not in _LISTS or profile is None:
        raise NotFound("There is no such list of rows. Count the tokens of the dataset first.")
    truth = profile.at(look.max_length)
    if kind == "cut":
        return truth.rows - truth.whole_rows, profile.cut_rows
    return truth.untaught_rows, profile.untaught_rows


def _wanted(form: FormValues, look: Looked) -> Looked:
    """What the form asks for; raises InvalidInput."""
    chosen = form.get("base_model.id") or look.base_model.id
    base_model = form.get(HUB_FIELD, "").strip() if chosen == HUB else chosen
    max_length, train_on = form.get("max_length", ""), form.get("train_on", "answers")
    length = int(max_length) if max_length.isdecimal() and len(max_length) < 7 else 0
    if not _SHORTEST <= length <= datasets.LONGEST_ALLOWED:
        raise InvalidInput(f"The longest row is a number from {_SHORTEST} to {datasets.LONGEST_ALLOWED:,}.")
    if train_on not in _TRAIN_ON:
        raise InvalidInput("Rows are learned from their answers or from everything.")
    facts = get_base_model(base_model, look.services.settings.models_root)
    return replace(look, base_model=facts, max_length=length, train_on=train_on)


def _counted(look: Looked) -> dict[str, Any]:
    """What is drawn once the tokens are counted."""
    profile = look.profile
    if profile is None:
        return {"profile": None}
    truth, suggested = profile.at(look.max_length), profile.at(profile.suggestion)
    return {
        "profile": profile,
        "truth": truth,
        "suggested": suggested,
        "chart": draw_histogram(profile, look.max_length),
        "savings": _savings(profile, truth, suggested),
    }


def _checked(look: Looked) -> dict[str, Any]:
    """What the checks counted, for whatever base model."""
    checkup = datasets.checkup_of(look.session, look.actor, look.version)
    result = checkup.result if checkup is not None and checkup.status == "done" else {"checks": []}
    return {"checkup": checkup, "distributions": distributions_of(result), "copies": copies_of(result)}


def _savings(profile: Profile, truth: Truth, suggested: Truth) -> dict[str, float]:
    """How much longer or shorter the longest batch becomes; attention grows with the square of it."""
    longest = int(profile.result["longest"])
    now, then = min(truth.max_length, longest), min(suggested.max_length, longest)
    share = then / now if now else 1.0
    return {"length": share, "attention": share * share, "tokens": now - then, "cut": suggested.cut - truth.cut}


def _stretches(tokens: list[Token]) -> list[tuple[str, list[Token]]]:
    """Tokens of one state, one after the other."""
    found: list[tuple[str, list[Token]]] = []
    for token in tokens:
        if not found or found[-1][0] != token.state:
            found.append((token.state, []))
        found[-1][1].append(token)
    return found
