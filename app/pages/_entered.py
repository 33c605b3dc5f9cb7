"""What was entered into the launch form, or what its address asks for, as values and as a spec."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session

from app.forms import HUB_FIELD, PARTS, flat, spec_from_form
from app.pages._hardware import HARDWARE_FIELD
from app.pages._license import ASKS_FIELD
from app.pages._mix import mix_of, mix_values, slot_field
from studio import datasets, runs
from studio.actors import Actor
from studio.datasets import DatasetVersion
from studio.errors import InvalidInput, NotFound
from studio.runs import Run, RunSpec

DATASET_FIELD = "data.dataset_version_id"
# Not part of the spec: the advice follows from it.
GOAL_FIELD = "goal"
# What an address may say beside the dataset, such as that of a suggestion.
_ASKED_FOR = {
    "base_model": "base_model.id",
    "max_length": "data.max_length_tokens",
    "train_on": "data.train_on",
    HARDWARE_FIELD: HARDWARE_FIELD,
    GOAL_FIELD: GOAL_FIELD,
    ASKS_FIELD: ASKS_FIELD,
}
_LICENSED = (DATASET_FIELD, "mix.", "base_model.", HUB_FIELD, "license.")
_IN_ADDRESS = frozenset(PARTS) - {"license"}


def starting_values(session: Session, actor: Actor, request: Request) -> dict[str, str]:
    """What the address asks for: `from` a run and its `suggestion`, or a `dataset` and its `version`, and fields."""
    values: dict[str, str] = {}
    if run_id := request.query_params.get("from"):
        run = runs.get_run(session, actor, run_id)
        spec = _suggested(run, request.query_params.get("suggestion"))
        values |= flat(spec) | mix_values(spec["data"]) | {"parent_run_id": run.id}
    if dataset_id := request.query_params.get("dataset"):
        number = request.query_params.get("version", "")[:7]
        dataset = datasets.get_dataset(session, actor, dataset_id)
        values |= dataset_values(datasets.pick_version(dataset, int(number) if number.isdecimal() else None))
    for name, field in _ASKED_FOR.items():
        if name in request.query_params:
            values[field] = request.query_params[name][:200]
    # Accepting a licence is no part of an address: a person does it on the form.
    asked = {name: text[:200] for name, text in request.query_params.items() if name.split(".")[0] in _IN_ADDRESS}
    return values | asked


def _suggested(run: Run, key: str | None) -> dict[str, Any]:
    """The run's spec, or what a suggestion that is still there makes of it."""
    found = runs.find_suggestion(run.run_spec, key) if key else None
    return found.spec.model_dump(mode="json") if found else run.spec


def licensed_values(values: Mapping[str, str]) -> dict[str, str]:
    """Those that licences follow from: whose rows, which base model, what for."""
    return {name: text for name, text in values.items() if name.startswith(_LICENSED)}


def dataset_values(version: DatasetVersion) -> dict[str, str]:
    """A version of a dataset with its own split, as form values."""
    return flat({"data": {"dataset_version_id": version.id, "split": version.split}})


def checked_spec(session: Session, actor: Actor, values: Mapping[str, str]) -> RunSpec:
    """The spec of a form; raises InvalidInput by field."""
    try:
        version = datasets.get_version(session, actor, values.get(DATASET_FIELD, ""))
    except NotFound as error:
        sentence = "Pick a dataset of the list."
        raise InvalidInput("Some settings need another look.", fields={DATASET_FIELD: sentence}) from error
    mix = mix_of(values, lambda version_id: _own_version(session, actor, version_id))
    try:
        return spec_from_form(values, sha256=version.sha256, frozen_split=version.frozen_split, mix=mix)
    except InvalidInput as error:
        fields = {slot_field(name): sentence for name, sentence in error.fields.items()}
        raise InvalidInput(error.message, fields=fields) from error


def _own_version(session: Session, actor: Actor, version_id: str) -> DatasetVersion | None:
    try:
        return datasets.get_version(session, actor, version_id)
    except NotFound:
        return None
