"""The table of hardware: what workers have comes first, and its owner says what an hour costs."""

import re

import pytest
from fastapi.testclient import TestClient

from studio import runs
from studio.db import SessionFactory, transaction
from studio.runs import Sign
from tests.app.rows import HTMX

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_every_kind_of_hardware_has_a_line_with_an_example_that_says_so(client: TestClient) -> None:
    page = client.get("/spending/prices").text

    assert page.count('<tr id="price-') == 13
    assert re.search(r'id="price-l4".*?\$0\.44 an hour<span class="sub">2026-11', page, re.DOTALL)
    assert "not offers" in page


def test_a_price_is_kept_and_removed_without_script(client: TestClient) -> None:
    saved = client.post("/spending/prices/l4", data={"dollars_per_hour": "0.5"}, follow_redirects=False)
    shown = client.get("/spending/prices").text
    client.post("/spending/prices/l4/removal")

    assert saved.status_code == 303
    assert saved.headers["location"] == "/spending/prices#price-l4"
    assert "<b>$0.50 an hour</b>" in shown
    assert "<b>" not in client.get("/spending/prices").text


def test_an_own_card_costs_its_power(client: TestClient) -> None:
    line = client.post("/spending/prices/rtx-4090", data={"watts": "450", "dollars_per_kwh": "0,30"}, headers=HTMX).text

    # 450 W are 0.45 kWh an hour, at $0.30: 13.5 cents.
    assert line.lstrip().startswith('<tr id="price-rtx-4090"')
    assert "$0.14 an hour" in line
    assert "450 W at $0.30 a kWh" in line


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"dollars_per_hour": "0"}, "would make every run look free"),
        ({"dollars_per_hour": "-1"}, "must be a number above 0"),
        ({"dollars_per_hour": "much"}, "Write a number, such as 0.44."),
        ({"watts": "450"}, "Give the price of a kWh."),
        ({"dollars_per_hour": "nan"}, "must be a number above 0"),
        ({"watts": "1,500", "dollars_per_kwh": "0.3"}, "Write 1500 or 1.500, without a comma."),
    ],
)
def test_a_price_that_cannot_be_is_told_at_its_field(client: TestClient, fields: dict[str, str], sentence: str) -> None:
    line = client.post("/spending/prices/l4", data=fields, headers=HTMX)
    page = client.post("/spending/prices/l4", data=fields)

    for answer in (line, page):
        assert answer.status_code == 422
        assert sentence in answer.text
        assert f'value="{next(iter(fields.values()))}"' in answer.text
        assert answer.text.count("<details open>") == 1
    assert "<b>" not in client.get("/spending/prices").text


def test_hardware_that_is_not_in_the_catalogue_has_no_price(client: TestClient) -> None:
    assert client.post("/spending/prices/abacus", data={"dollars_per_hour": "1"}).status_code == 404
    assert client.post("/spending/prices/abacus/removal").status_code == 404


def test_what_a_worker_has_comes_first_and_an_unknown_device_is_said(
    client: TestClient, session_factory: SessionFactory
) -> None:
    with transaction(session_factory) as session:
        for owner, device in (("a", "NVIDIA L40S"), ("b", "NVIDIA GeForce GTX 1080")):
            runs.renew_worker(
                session, Sign(owner=owner, host=owner, version="1", gpu="0", device=device), run_id=None, note=""
            )

    page = client.get("/spending/prices").text

    assert page.index("a worker has it") < page.index('id="price-t4"')
    assert "A worker has NVIDIA GeForce GTX 1080, which is not in the catalogue" in page
