"""What the launch form can reckon with: the devices of the workers, then the catalogue as "what if"."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.forms import Choice
from studio import runs
from studio.budget import HARDWARE, find_hardware

# Not part of the spec: a run goes to whichever worker is free.
HARDWARE_FIELD = "hardware"


@dataclass(frozen=True, slots=True)
class HardwareChoices:
    """The select: an empty value is where the next run is likely to go, `others` are more devices of workers."""

    likely: str
    others: tuple[Choice, ...]
    catalogue: tuple[Choice, ...]
    chosen: str


def hardware_choices(session: Session, values: Mapping[str, str]) -> HardwareChoices:
    """What can be chosen, and what is; a name that nothing has chooses nothing."""
    devices: dict[str, str] = {}
    for worker in runs.hardware_of_workers(session):
        found = find_hardware(worker.device, worker.memory_bytes, worker.cores)
        devices.setdefault(found.id if found else worker.device, found.label if found else worker.device)
    others = tuple(Choice(key, label) for key, label in list(devices.items())[1:] if key in HARDWARE)
    chosen = values.get(HARDWARE_FIELD, "")
    return HardwareChoices(
        likely=f"Your worker: {next(iter(devices.values()))}" if devices else "No worker is known yet",
        others=others,
        catalogue=tuple(
            Choice(one.id, one.label) for one in HARDWARE.values() if one.id not in {c.value for c in others}
        ),
        chosen=chosen if chosen in HARDWARE else "",
    )
