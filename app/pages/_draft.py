"""The launch form as a whole: what was entered, what it comes to, and everything that the template draws."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from app.advice import GOALS, advice_for, advised_fix
from app.deps import Services
from app.forms import HUB, HUB_FIELD, PARTS, FormField, FormState, field_labels, flat, spec_from_form
from app.pages._applying import Redrawn, find_fix, redrawn_parts, values_of
from app.pages._entered import DATASET_FIELD, GOAL_FIELD, dataset_values, licensed_values
from app.pages._estimate import bar_of, first_of, price_words, summary_of
from app.pages._hardware import HardwareChoices, hardware_choices
from app.pages._ladder import LadderOffer, offer_of
from app.pages._license import ACCEPTED_KEY_FIELD, LicensePart, license_part
from app.pages._mix import Slot, mix_of, slots
from studio import datasets, runs, spending
from studio.actors import Actor
from studio.base_models import BaseModelFacts, get_base_model, list_base_models
from studio.budget.advice import Goal, MethodAdvice
from studio.budget.licensing import DISCLAIMER
from studio.datasets import Blocker, Dataset, DatasetVersion
from studio.errors import InvalidInput
from studio.ids import new_id
from studio.methods import METHODS, MethodBase
from studio.runs import Plan, RunSpec
from studio.spending import Quote

APPLY_FIELD = "apply"
# Which dataset the drawn split is of; when another one is chosen, the split follows.
SPLIT_OF_FIELD = "split_of"
_DEFAULT_METHOD = "qlora"
_DATASETS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class MethodCard:
    """One radio card and the fields that belong to it."""

    kind: str
    method: type[MethodBase]
    fields: list[FormField]


@dataclass(frozen=True)
class Draft:
    """A launch form in some state; `values` are the inputs by name."""

    values: Mapping[str, str]
    datasets: list[Dataset]
    base_models: list[BaseModelFacts]
    services: Services
    hardware: HardwareChoices
    errors: Mapping[str, str]
    message: str = ""
    recipe: str | None = None
    split_follows: bool = False
    data_blockers: tuple[Blocker, ...] = ()
    quote: Quote | None = None
    applied: Redrawn | None = None
    license: LicensePart | None = None

    @property
    def state(self) -> FormState:
        """The values and errors, for drawing fields."""
        return FormState(self.values, self.errors)

    def part(self, name: str) -> list[FormField]:
        """The fields of one part of the spec."""
        return self.state.fields(RunSpec.model_fields[name].annotation, name)  # type: ignore[arg-type]

    @property
    def method_cards(self) -> list[MethodCard]:
        """Every method with its fields; the form shows those of the chosen one."""
        return [
            MethodCard(kind, method, self.state.fields(method, f"method.{kind}", self._error_prefix(kind)))
            for kind, method in METHODS.items()
        ]

    @property
    def method_kind(self) -> str:
        """The chosen method."""
        return self.values.get("method.kind", _DEFAULT_METHOD)

    @property
    def families(self) -> dict[str, list[BaseModelFacts]]:
        """Base models by family, in the order of the list."""
        families: dict[str, list[BaseModelFacts]] = {}
        for facts in self.base_models:
            families.setdefault(facts.family, []).append(facts)
        return families

    @property
    def from_hub(self) -> bool:
        """Whether the base model is none of the list."""
        chosen = self.values.get("base_model.id", "")
        return bool(chosen) and chosen not in {facts.id for facts in self.base_models}

    @property
    def hub_id(self) -> str:
        """The Hub id that was typed."""
        chosen = self.values.get("base_model.id", "")
        return self.values.get(HUB_FIELD, "") if chosen == HUB else chosen if self.from_hub else ""

    @property
    def version(self) -> DatasetVersion | None:
        """The chosen version, if it is one of the list."""
        return self._find_version(self.values.get(DATASET_FIELD, ""))

    @property
    def license_follows(self) -> bool:
        """Whether the licences ask something else than the form shows."""
        statement = self.license.statement if self.license else None
        return (statement.key if statement else "") != self.values.get(ACCEPTED_KEY_FIELD, "")

    @property
    def mix_slots(self) -> list[Slot]:
        """The lines for other datasets beside the first one."""
        return slots(self.values)

    def _find_version(self, version_id: str) -> DatasetVersion | None:
        return next((known for dataset in self.datasets for known in dataset.versions if known.id == version_id), None)

    @cached_property
    def outcome(self) -> tuple[RunSpec | None, Plan | None, Mapping[str, str]]:
        """The spec and its numbers as far as they can be made, and what stands in the way."""
        version = self.version
        try:
            if version is None:
                sentence = "Pick a dataset: the numbers follow from its rows."
                raise InvalidInput(sentence, fields={DATASET_FIELD: sentence})
            spec = spec_from_form(
                self.values,
                sha256=version.sha256,
                frozen_split=version.frozen_split,
                mix=mix_of(self.values, self._find_version),
            )
            return spec, runs.make_plan(spec, version.row_count), {}
        except InvalidInput as error:
            return None, None, error.fields
        except ValueError as error:
            return None, None, {DATASET_FIELD: f"{str(error).capitalize()}."}

    @property
    def licensed_spec(self) -> RunSpec | None:
        """The spec as far as licences follow from it: another setting that is half typed takes no tick away."""
        if self.outcome[0] is not None or not self.values.get("base_model.id"):
            return self.outcome[0]
        return replace(self, values=licensed_values(self.values) | {"method.kind": _DEFAULT_METHOD}).outcome[0]

    @cached_property
    def base_model(self) -> BaseModelFacts | None:
        """What is known of the chosen base model."""
        spec = self.outcome[0]
        chosen = spec.base_model.id if spec else self.values.get("base_model.id", "")
        try:
            return get_base_model(chosen, self.services.settings.models_root) if chosen else None
        except InvalidInput:
            return None

    @property
    def goal(self) -> Goal:
        """What the result is wanted for; one task, where nothing known is said."""
        return next((goal for goal in GOALS if goal == self.values.get(GOAL_FIELD)), "task")

    @cached_property
    def advice(self) -> MethodAdvice | None:
        """Method and settings to begin with, as far as the form can be read."""
        (spec, plan, _), version, base_model = self.outcome, self.version, self.base_model
        if spec is None or plan is None or version is None or base_model is None:
            return None
        return advice_for(spec, plan, version, base_model, quote=self.quote, catalogue=self.base_models, goal=self.goal)

    @cached_property
    def ladder(self) -> LadderOffer:
        """What the offer of a ladder says."""
        return offer_of(self.values, self.outcome[0], self.quote)

    @property
    def disk_shortage(self) -> str | None:
        """The sentence for a disk that is too small for the run, where the base model's size is known."""
        spec, facts, settings = self.outcome[0], self.base_model, self.services.settings
        if spec is None or facts is None or facts.parameters is None:
            return None
        # Base models are stored in 16 bits.
        return runs.disk_shortage(spec, 2 * facts.parameters, settings.keep_checkpoints, settings.runs_dir)

    def context(self) -> dict[str, Any]:
        """What the form's templates need."""
        spec, plan, blockers = self.outcome
        return {
            "draft": self,
            "spec": spec,
            "plan": plan,
            "blockers": blockers,
            "field_labels": field_labels(),
            "base_model": self.base_model,
            "disk_shortage": self.disk_shortage,
            "method": METHODS.get(self.method_kind),
            "recipes": runs.RECIPES,
            "goals": GOALS,
            "disclaimer": DISCLAIMER,
            "quote": self.quote,
            "advice": self.advice,
            "bar": bar_of(self.quote),
            "price": price_words(self.quote, spec.budget if spec else None),
            "summary": summary_of(self.quote) or first_of(blockers),
            "is_fragment": False,
            "key": self.values.get("idempotency_key") or new_id("key"),
        }

    def _error_prefix(self, kind: str) -> str:
        return "method" if kind == self.method_kind else f"method.{kind}"


def make_draft(
    session: Session,
    actor: Actor,
    services: Services,
    values: Mapping[str, str],
    *,
    error: InvalidInput | None = None,
    recipe: str | None = None,
    split_follows: bool = False,
) -> Draft:
    """A form with these values; a recipe's parts go over them, and so does a newly chosen dataset's split if asked.

    A fix that the values name in `apply` is looked up in the estimate of the others, and goes over them.
    """
    found = datasets.list_datasets(session, actor, limit=_DATASETS_SHOWN)
    known = runs.get_recipe(recipe) if recipe else None
    values = {"method.kind": _DEFAULT_METHOD} | dict(values) | (flat(known.parts) if known else {})
    if DATASET_FIELD not in values and len(found) == 1:
        values |= dataset_values(found[0].latest)
    split = _split_of_other_dataset(values, found) if split_follows else {}
    values |= split
    draft = Draft(
        values=values,
        datasets=found,
        base_models=list_base_models(services.settings.models_root),
        services=services,
        hardware=hardware_choices(session, values),
        errors=error.fields if error else {},
        message=error.message if error else "",
        recipe=known.id if known else None,
        split_follows=bool(split),
    )
    draft = _with_fix(session, actor, _quoted(session, actor, draft))
    spec, version, root = draft.outcome[0], draft.version, services.settings.models_root
    blockers = runs.find_blockers(session, actor, version, spec, services.settings) if spec and version else []
    licenses = license_part(session, actor, draft.licensed_spec, draft.values, draft.errors, models_root=root)
    return replace(draft, data_blockers=tuple(blockers), license=licenses)


def _quoted(session: Session, actor: Actor, draft: Draft) -> Draft:
    spec, settings = draft.outcome[0], draft.services.settings
    if spec is None:
        return draft
    chosen = draft.hardware.chosen or None
    try:
        quote = spending.quote(session, actor, spec, settings=settings, hardware_id=chosen)
    except InvalidInput as error:
        quote = Quote(None, error.message, "none", "", "none", "")
    return replace(draft, quote=quote)


def _with_fix(session: Session, actor: Actor, draft: Draft) -> Draft:
    """The draft with the fix that was asked for, if it is still on offer."""
    key = draft.values.get(APPLY_FIELD, "")
    if not key:
        return draft
    fix = find_fix(draft.quote, key) or advised_fix(draft.advice, key)
    if fix is None:
        return draft
    changed = values_of(fix, draft.method_kind)
    fixed = replace(draft, values={**_without_settings(draft.values, changed), **changed}, quote=None)
    fields = [field for part in PARTS if part != "method" for field in fixed.part(part)]
    fields += [field for card in fixed.method_cards for field in card.fields]
    return replace(_quoted(session, actor, fixed), applied=redrawn_parts(fix, changed, fields))


def _without_settings(values: Mapping[str, str], changed: Mapping[str, str]) -> dict[str, str]:
    """The values without those of a method that a fix chooses: it brings its usual settings."""
    kind = changed.get("method.kind")
    return {name: text for name, text in values.items() if not (kind and name.startswith(f"method.{kind}."))}


def _split_of_other_dataset(values: Mapping[str, str], found: list[Dataset]) -> dict[str, str]:
    """The stored split of the chosen version, when the form shows that of another."""
    chosen = values.get(DATASET_FIELD, "")
    if values.get(SPLIT_OF_FIELD, chosen) == chosen:
        return {}
    version = next((known for dataset in found for known in dataset.versions if known.id == chosen), None)
    return flat({"data": {"split": version.split}}) if version else {}
