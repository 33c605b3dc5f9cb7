"""What an attempt holds and at which price, and what its run's cap leaves for it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from studio import runs, spending
from studio.actors import Actor
from studio.budget import find_hardware
from studio.budget.capping import Cap, cap_of, in_dollars, words_of_cap
from studio.runs import Run
from studio.settings import Settings
from worker import gpu
from worker.machine import available_cores, machine_memory_bytes
from worker.outcome import AttemptOver, Cancel

KEPT_TOO_LONG = "The cap was spent, and what was kept could not be made an adapter in time; retry to try it once more."
# An attempt that begins with its cap spent only loads, exports and leaves; what takes longer than this hangs.
CLOSING_SECONDS = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Device:
    """What this worker's runs hold; `hardware_id` is empty where the catalogue does not know it."""

    name: str
    hardware_id: str


@dataclass(frozen=True, slots=True)
class Paying:
    """The price of an attempt's hour, None where none is known, and what is left of the cap."""

    dollars_per_hour: float | None
    cap: Cap | None
    cap_words: str = ""

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left, so that there is only time to keep what there is."""
        return self.cap is not None and self.cap.seconds <= 0

    def ends_at(self, held_since: float) -> float | None:
        """When an attempt must be over, by the clock of `held_since`; None without a cap."""
        if self.cap is None:
            return None
        return held_since + (CLOSING_SECONDS if self.is_spent else self.cap.seconds)


def held_device(settings: Settings) -> Device:
    """Ask the GPU for its name; without one it is the CPU."""
    name = gpu.device_name(settings.gpu) or "CPU"
    memory = gpu.memory_bytes(settings.gpu) or machine_memory_bytes()
    known = find_hardware(name, memory, available_cores())
    return Device(name, known.id if known else "")


def begin_paying(session: Session, lease: runs.Lease, device: Device) -> Paying:
    """Write device and price onto the attempt's stint, and count what its run has spent before.

    Raises AttemptOver when the run has a cap in dollars and its hardware has no price.
    """
    run = session.get_one(Run, lease.run_id)
    price = spending.price_of(session, Actor(id=run.owner_id), device.hardware_id)
    runs.describe_stint(session, lease, device=device.name, hardware=device.hardware_id, hourly=price)
    budget = run.run_spec.budget
    if not budget.is_set:
        return Paying(price, None)
    if budget.max_dollars is not None and price is None:
        sentence = (
            f"The run may cost {in_dollars(budget.max_dollars)}, and nobody has said what an hour of {device.name} "
            "costs, so nothing would stop it. Set a price on the page of hardware and prices, then launch it again."
        )
        raise AttemptOver(Cancel(sentence))
    cap = cap_of(budget, spending.spent_before(session, run, lease.epoch), price)
    return Paying(price, cap, words_of_cap(budget, cap.by) if cap else "")
