"""Other datasets beside the first one, as the launch form has them: a few slots, each a version and a weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from studio.datasets import DatasetVersion
from studio.errors import InvalidInput

SLOTS = 3
_DEFAULT_WEIGHT = "0.25"
FindVersion = Callable[[str], DatasetVersion | None]


@dataclass(frozen=True, slots=True)
class Slot:
    """One line of the form."""

    version_field: str
    weight_field: str
    version_id: str
    weight: str


def slots(values: Mapping[str, str]) -> list[Slot]:
    """The lines of the form, filled as far as they were."""
    return [
        Slot(
            version_field=f"mix.{place}.version",
            weight_field=f"mix.{place}.weight",
            version_id=values.get(f"mix.{place}.version", ""),
            weight=values.get(f"mix.{place}.weight", "") or _DEFAULT_WEIGHT,
        )
        for place in range(SLOTS)
    ]


def mix_of(values: Mapping[str, str], find: FindVersion) -> list[dict[str, Any]]:
    """The parts of the mix as the spec has them; raises InvalidInput by field."""
    return [_part(slot, find) for slot in slots(values) if slot.version_id]


def mix_values(data: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a spec's data as form values, the reverse of `mix_of`."""
    values: dict[str, str] = {}
    for place, part in enumerate(data.get("mix", ())[:SLOTS]):
        values[f"mix.{place}.version"] = part["dataset_version_id"]
        values[f"mix.{place}.weight"] = f"{part['weight']:g}"
    return values


def slot_field(name: str) -> str:
    """The field of the form that a field of the spec was made of: `data.mix.0.weight` of `mix.0.weight`."""
    return name.removeprefix("data.") if name.startswith("data.mix.") else name


def _part(slot: Slot, find: FindVersion) -> dict[str, Any]:
    version = find(slot.version_id)
    if version is None:
        raise InvalidInput(
            "Some settings need another look.", fields={slot.version_field: "Pick a dataset of the list."}
        )
    return {
        "dataset_version_id": version.id,
        "sha256": version.sha256,
        "row_count": version.row_count,
        "split": version.split,
        "weight": slot.weight,
    }
