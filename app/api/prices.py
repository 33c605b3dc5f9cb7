"""Hardware and its prices over JSON."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.models import In, Listed, Out
from app.deps import CurrentActor, CurrentSession
from studio import runs, spending
from studio.actors import Actor
from studio.budget import find_hardware
from studio.errors import NotFound
from studio.spending import PricedHardware

router = APIRouter(tags=["spending"])

HardwareInPath = Annotated[str, Path(max_length=40, description="An id of the hardware catalogue.")]


class PriceIn(In):
    """Dollars per hour, or watts and the price of a kWh."""

    dollars_per_hour: float | None = Field(None, description="What an hour is rented for.")
    watts: float | None = Field(None, description="What own hardware draws.")
    dollars_per_kwh: float | None = Field(None, description="What power costs.")


class PriceOut(Out):
    """What an hour of a kind of hardware costs its owner; without an own price only the catalogue's example, if any."""

    hardware_id: str
    label: str
    dollars_per_hour: float | None
    watts: float | None
    dollars_per_kwh: float | None
    example_dollars_per_hour: float | None
    example_of: str


class HardwareOut(Out):
    """One kind of hardware; rates are the maker's peaks, of a CPU those of one core unless a worker tells more."""

    id: str
    label: str
    kind: str
    memory_bytes: int
    bf16_flops: float
    bytes_per_second: float
    watts: float
    native_bf16: bool
    cores: int | None


class DetectedOut(Out):
    """The device of a worker; `hardware_id` is empty where the catalogue does not know it."""

    device: str
    memory_bytes: int | None
    cores: int | None
    hardware_id: str


class HardwareListOut(Out):
    """What workers have, and what estimates know."""

    detected: list[DetectedOut]
    catalogue: list[HardwareOut]


@router.get("/hardware", summary="List hardware")
def list_hardware(session: CurrentSession, actor: CurrentActor) -> HardwareListOut:
    """The devices of the workers, and the catalogue."""
    detected = [_detected(worker) for worker in runs.hardware_of_workers(session)]
    catalogue = [HardwareOut.model_validate(known.hardware) for known in spending.list_prices(session, actor)]
    return HardwareListOut(detected=detected, catalogue=catalogue)


@router.get("/prices", summary="List prices")
def list_prices(session: CurrentSession, actor: CurrentActor) -> Listed[PriceOut]:
    """Every kind of hardware with the own price, where there is one, and the dated example."""
    return Listed(items=[_told(known) for known in spending.list_prices(session, actor)])


@router.put("/prices/{hardware_id}", summary="Set a price")
def set_price(hardware_id: HardwareInPath, wanted: PriceIn, session: CurrentSession, actor: CurrentActor) -> PriceOut:
    """Say what an hour costs; runs that are under way keep the price of their start."""
    spending.set_price(session, actor, hardware_id, **wanted.model_dump())
    return _priced(session, actor, hardware_id)


@router.delete("/prices/{hardware_id}", summary="Remove a price", status_code=204)
def remove_price(hardware_id: HardwareInPath, session: CurrentSession, actor: CurrentActor) -> Response:
    """Forget it; runs then count hours only."""
    spending.remove_price(session, actor, hardware_id)
    return Response(status_code=204)


def _detected(worker: runs.Worker) -> DetectedOut:
    found = find_hardware(worker.device, worker.memory_bytes, worker.cores)
    return DetectedOut(
        device=worker.device,
        memory_bytes=worker.memory_bytes,
        cores=worker.cores,
        hardware_id=found.id if found else "",
    )


def _priced(session: Session, actor: Actor, hardware_id: str) -> PriceOut:
    for known in spending.list_prices(session, actor):
        if known.hardware.id == hardware_id:
            return _told(known)
    raise NotFound("There is no such hardware in the catalogue.")


def _told(known: PricedHardware) -> PriceOut:
    example, price = known.example, known.price
    return PriceOut(
        hardware_id=known.hardware.id,
        label=known.hardware.label,
        dollars_per_hour=known.dollars_per_hour,
        watts=price.watts if price else None,
        dollars_per_kwh=price.dollars_per_kwh if price else None,
        example_dollars_per_hour=example.dollars_per_hour if example else None,
        example_of=f"{example.where}, {example.when}" if example else "",
    )
