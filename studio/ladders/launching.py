"""Launches a rung as a run of its own, under what is left of the ladder's cap and for the hardware that was chosen."""

from sqlalchemy.orm import Session

from studio import runs, spending
from studio.actors import Actor
from studio.budget import find_hardware
from studio.ladders.climbing import cap_left
from studio.ladders.models import Ladder
from studio.ladders.rungs import rung_label
from studio.ladders.sights import Sight
from studio.queue import Queue
from studio.runs import Run, RunSpec, Terms
from studio.settings import Settings

# A space cannot stand in the key of a request, so a ladder's keys never meet a run's.
_KEY_OF_RUNG = "{} rung {}"


def launch_rung(
    session: Session,
    actor: Actor,
    ladder: Ladder,
    number: int,
    spec: RunSpec,
    *,
    queue: Queue,
    settings: Settings,
    key: str | None = None,
) -> Run:
    """Queue the run of a rung once; raises InvalidInput as every launch does.

    A person chose the hardware beside the first rung's numbers, so that is estimated for it whoever has it. A later
    rung is launched when nobody looks, so it is estimated for what it can get.
    """
    return spending.launch(
        session,
        actor,
        spec,
        queue=queue,
        settings=settings,
        hardware_id=ladder.hardware if number == 0 else _at_hand(session, ladder.hardware),
        name=f"{ladder.name}: {rung_label(spec)}",
        idempotency_key=key or _KEY_OF_RUNG.format(ladder.id, number),
        terms=Terms(ladder_id=ladder.id, rung=number),
    )


def capped(sight: Sight, number: int) -> RunSpec | None:
    """The spec of a rung with what is left of the ladder's cap; None when that is spent."""
    left = cap_left(sight.budget, sight.spent)
    return None if left is None else sight.specs[number].model_copy(update={"budget": left})


def _at_hand(session: Session, hardware_id: str | None) -> str | None:
    """The chosen hardware where a worker has it, or none has ever been heard of; None where others are there."""
    workers = runs.hardware_of_workers(session)
    found = [find_hardware(worker.device, worker.memory_bytes, worker.cores) for worker in workers]
    is_there = not workers or any(hardware and hardware.id == hardware_id for hardware in found)
    return hardware_id if is_there else None
