"""The price table: by the hour or by power, own or an example, never free."""

import pytest

from studio import spending
from studio.actors import LOCAL_ACTOR, Actor
from studio.budget import HARDWARE
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput, NotFound


def test_a_price_is_given_by_the_hour_or_by_power(session_factory: SessionFactory) -> None:
    with transaction(session_factory) as session:
        spending.set_price(session, LOCAL_ACTOR, "l4", dollars_per_hour=0.44)
        spending.set_price(session, LOCAL_ACTOR, "rtx-4090", watts=450, dollars_per_kwh=0.30)

    with transaction(session_factory) as session:
        assert spending.price_of(session, LOCAL_ACTOR, "l4") == 0.44
        assert spending.price_of(session, LOCAL_ACTOR, "rtx-4090") == pytest.approx(0.135)
        assert spending.price_of(session, LOCAL_ACTOR, "t4") is None
        assert spending.price_of(session, Actor("another"), "l4") is None
        spending.set_price(session, LOCAL_ACTOR, "rtx-4090", dollars_per_hour=2.0)
        spending.remove_price(session, LOCAL_ACTOR, "l4")

    with transaction(session_factory) as session:
        found = {known.hardware.id: known for known in spending.list_prices(session, LOCAL_ACTOR)}
        assert found["rtx-4090"].dollars_per_hour == 2.0 and found["l4"].price is None
        assert list(found) == list(HARDWARE)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"dollars_per_hour": 0.0}, "dollars_per_hour", "look free"),
        ({"dollars_per_hour": -1.0}, "dollars_per_hour", "above 0"),
        ({"dollars_per_hour": float("nan")}, "dollars_per_hour", "above 0"),
        ({"dollars_per_hour": 1e6}, "dollars_per_hour", "slip"),
        ({}, "dollars_per_hour", "Give the price of an hour"),
        ({"watts": 450.0}, "dollars_per_kwh", "Give the price of a kWh"),
        ({"watts": 0.0, "dollars_per_kwh": 0.3}, "watts", "look free"),
        ({"watts": 450.0, "dollars_per_kwh": 0.3, "dollars_per_hour": 1.0}, "dollars_per_hour", "not both"),
    ],
)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_absurd_price_is_refused_in_words(
    session_factory: SessionFactory, given: dict[str, float], field: str, words: str
) -> None:
    with transaction(session_factory) as session, pytest.raises(InvalidInput) as refused:
        spending.set_price(session, LOCAL_ACTOR, "l4", **given)

    assert words in refused.value.fields[field]


def test_no_price_is_set_for_what_is_not_in_the_catalogue(session_factory: SessionFactory) -> None:
    with transaction(session_factory) as session, pytest.raises(NotFound):
        spending.set_price(session, LOCAL_ACTOR, "abacus", dollars_per_hour=1.0)
