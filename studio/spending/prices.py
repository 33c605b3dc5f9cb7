"""The price table: what an hour of each kind of hardware costs its owner."""

import math
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.budget.hardware import HARDWARE, ExamplePrice, Hardware
from studio.errors import InvalidInput, NotFound
from studio.spending.models import Price

_MOST_DOLLARS = 1000.0
_MOST_WATTS = 20_000.0
_MOST_PER_KWH = 10.0


@dataclass(frozen=True, slots=True)
class PricedHardware:
    """One kind of hardware with the owner's price, if any, and the catalogue's example."""

    hardware: Hardware
    price: Price | None

    @property
    def dollars_per_hour(self) -> float | None:
        """The owner's own."""
        return self.price.hourly if self.price else None

    @property
    def example(self) -> ExamplePrice | None:
        """What it once cost somewhere."""
        return self.hardware.example_price


def list_prices(session: Session, actor: Actor) -> list[PricedHardware]:
    """The whole catalogue in its order."""
    own = {price.hardware: price for price in session.scalars(select(Price).where(Price.owner_id == actor.id))}
    return [PricedHardware(hardware, own.get(hardware.id)) for hardware in HARDWARE.values()]


def price_of(session: Session, actor: Actor, hardware_id: str | None) -> float | None:
    """Dollars for an hour as the owner says; None where nothing was said, since an example is no price."""
    price = session.get(Price, (actor.id, hardware_id)) if hardware_id else None
    return price.hourly if price else None


def set_price(
    session: Session,
    actor: Actor,
    hardware_id: str,
    *,
    dollars_per_hour: float | None = None,
    watts: float | None = None,
    dollars_per_kwh: float | None = None,
) -> Price:
    """Say what an hour costs: dollars, or watts and the price of power. Raises NotFound and InvalidInput by field."""
    _known(hardware_id)
    by_power = watts is not None or dollars_per_kwh is not None
    if by_power and dollars_per_hour is not None:
        sentence = "Give dollars per hour, or watts and a price per kWh; not both."
        raise InvalidInput(sentence, fields={"dollars_per_hour": sentence})
    if by_power:
        _check("watts", watts, _MOST_WATTS, "watts that the hardware draws", "W")
        _check("dollars_per_kwh", dollars_per_kwh, _MOST_PER_KWH, "price of a kWh", "dollars")
    else:
        _check("dollars_per_hour", dollars_per_hour, _MOST_DOLLARS, "price of an hour", "dollars")
    price = session.get(Price, (actor.id, hardware_id)) or Price(owner_id=actor.id, hardware=hardware_id)
    price.dollars_per_hour, price.watts, price.dollars_per_kwh = dollars_per_hour, watts, dollars_per_kwh
    session.add(price)
    session.flush()
    return price


def remove_price(session: Session, actor: Actor, hardware_id: str) -> None:
    """Forget what was said of a kind of hardware; without a price, runs on it count hours only."""
    _known(hardware_id)
    session.execute(delete(Price).where(Price.owner_id == actor.id, Price.hardware == hardware_id))


def _known(hardware_id: str) -> None:
    if hardware_id not in HARDWARE:
        raise NotFound("There is no such hardware in the catalogue.")


def _check(field: str, value: float | None, most: float, what: str, unit: str) -> None:
    """Refuse what would make every run look free, or no run possible."""
    sentence = ""
    if value is None:
        sentence = f"Give the {what}."
    elif not math.isfinite(value) or value < 0:
        sentence = f"The {what} must be a number above 0."
    elif value == 0:
        sentence = f"A {what} of 0 would make every run look free; remove the price instead to count hours only."
    elif value > most:
        sentence = f"The {what} is at most {most:,.0f} {unit}; {value:,.0f} looks like a slip."
    if sentence:
        raise InvalidInput(sentence, fields={field: sentence})
