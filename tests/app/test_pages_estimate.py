"""The estimate in the launch form: what it says, what it offers instead, and what it refuses."""

import re

import pytest
from fastapi.testclient import TestClient

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.runs import Run, Sign
from tests.app.rows import HTMX

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def form(version: DatasetVersion) -> dict[str, str]:
    """Qwen3 0.6B with LoRA, which fits an L4 with batches of 4 and not with those of 512."""
    return {
        "data.dataset_version_id": version.id,
        "base_model.id": "Qwen/Qwen3-0.6B",
        "method.kind": "lora",
        "hardware": "l4",
    }


@pytest.fixture
def too_large(form: dict[str, str]) -> dict[str, str]:
    """The same with batches that no L4 holds."""
    return form | {"hyperparameters.batch_size": "512", "hyperparameters.gradient_accumulation_steps": "1"}


def estimated(client: TestClient, form: dict[str, str]) -> str:
    """What htmx would swap in."""
    answer = client.post("/runs/estimate", data=form, headers=HTMX)
    assert answer.status_code == 200
    return answer.text


def gib_needed(card: str) -> float:
    """The memory that the card names first."""
    found = re.search(r"<b>([\d.,]+)</b> of 22 GiB", card)
    assert found
    return float(found[1].replace(",", ""))


def line_at_the_foot(text: str) -> str:
    """What the bar of narrow screens says."""
    found = re.search(r'<div class="estimate-bar" id="estimate-bar">(.*?)</div>', text, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def test_what_is_wrong_is_named_as_in_the_form(client: TestClient, form: dict[str, str]) -> None:
    card = estimated(client, form | {"budget.max_dollars": "-1"})

    assert "<b>Stop at dollars:</b> This must be greater than 0." in card
    assert line_at_the_foot(card).startswith("Stop at dollars: This must be greater than 0.")


def test_memory_time_and_price_follow_what_is_entered(client: TestClient, form: dict[str, str]) -> None:
    client.post("/spending/prices/l4", data={"dollars_per_hour": "0.5"})

    small, large = estimated(client, form), estimated(client, form | {"hyperparameters.batch_size": "8"})

    assert gib_needed(large) > gib_needed(small) > 1
    assert re.search(r"<dt>Time</dt><dd>[\d.]+ to [\d.]+ (s|min)</dd>", small)
    assert re.search(r"Launch - ((about|under|up to) \$[\d.]+|\$[\d.]+ to \$[\d.]+)<", small)
    assert "example" not in small.split("</dl>")[0]


@pytest.mark.parametrize(
    ("cap", "words"),
    [({"budget.max_dollars": "0.02"}, "at most $0.02"), ({"budget.max_hours": "0.02"}, "at most 0.02 h")],
)
def test_the_button_promises_no_more_than_the_cap_allows(
    client: TestClient, form: dict[str, str], cap: dict[str, str], words: str
) -> None:
    client.post("/spending/prices/l4", data={"dollars_per_hour": "0.5"})

    long = form | {"hyperparameters.epochs": "100"}

    tight, wide = estimated(client, long | cap), estimated(client, long | dict.fromkeys(cap, "900"))

    assert f"Launch - {words}<" in tight
    assert "Launch - " in wide and "at most" not in wide


def test_a_line_at_the_foot_of_narrow_screens_follows_and_is_read_out_once(
    client: TestClient, form: dict[str, str], too_large: dict[str, str]
) -> None:
    page = client.post("/runs/estimate", data=form).text
    answers = [estimated(client, one) for one in (form, too_large, form | {"budget.max_dollars": "5"})]

    lines = [line_at_the_foot(text) for text in (page, *answers)]
    assert lines[0] == lines[1]
    assert re.fullmatch(r"Fits [\d.]+ to [\d.]+ (s|min) (under |up to )?\$[\d.]+( to \$[\d.]+)? Details", lines[1])
    assert re.fullmatch(r"Does not fit [\d,]+ of 22 GiB Details", lines[2])
    assert lines[3].startswith("A cap in dollars needs a price")
    assert page.count('role="status"') == 1


def test_an_example_price_is_said_to_be_one(client: TestClient, form: dict[str, str]) -> None:
    card = estimated(client, form)

    assert "example of $0.44 an hour" in card
    assert 'href="/spending/prices#price-l4"' in card


def test_every_method_tells_its_memory_on_its_card_and_in_the_table(client: TestClient, form: dict[str, str]) -> None:
    page = client.post("/runs/estimate", data=form).text

    for kind in ("qlora", "lora", "dora", "ia3", "prompt_tuning", "full"):
        assert re.search(rf'id="cost-{kind}"><span[^>]*>[\d.]+ GiB', page)
    assert page.split('id="offers"')[1].count('<th scope="row">') == 6


def test_a_run_that_does_not_fit_is_refused_with_fixes_that_fit(
    client: TestClient, too_large: dict[str, str], session_factory: SessionFactory
) -> None:
    card = estimated(client, too_large)
    refused = client.post("/runs", data=too_large)

    assert "Does not fit" in card
    assert re.search(r'<button class="button primary wide"[^>]* disabled>', card)
    assert refused.status_code == 422
    for text in (card, refused.text):
        assert "This run does not fit" in text
        assert re.search(r'name="apply" value="[^"]+"', text)
    with reading(session_factory) as session:
        assert runs.list_runs(session, LOCAL_ACTOR) == []


def test_the_bar_is_as_long_as_the_need_and_marks_where_the_hardware_ends(
    client: TestClient, form: dict[str, str], too_large: dict[str, str]
) -> None:
    small, large = estimated(client, form), estimated(client, too_large)

    shares = [
        [float(width) for width in re.findall(r'class="mem-[a-z]+" x="[^"]+" width="([\d.]+)%"', card)]
        for card in (small, large)
    ]
    assert abs(sum(shares[1]) - 100) < 0.1
    assert sum(shares[0]) < 100
    assert re.search(r'<line class="limit" x1="[\d.]+%"', large)
    assert 'class="limit"' not in small
    assert re.search(r'role="img" aria-label="About [\d.,]+ of 22 GiB: base weights [\d.]+ GiB', large)


def test_an_applied_fix_changes_the_fields_and_fits(
    client: TestClient, too_large: dict[str, str], session_factory: SessionFactory
) -> None:
    key = re.search(r'name="apply" value="([^"]+)"', estimated(client, too_large))
    assert key

    card = estimated(client, too_large | {"apply": key[1]})
    page = client.post("/runs/estimate", data=too_large | {"apply": key[1]}).text
    changed = dict(re.findall(r'<input id="field-[^"]+" name="([^"]+)" value="([^"]*)"', card))
    launched = client.post("/runs", data=too_large | changed, follow_redirects=False)

    assert "Applied:" in card
    assert changed
    assert "Does not fit" not in card.split('id="offers"')[0].split('id="cost-')[0].split("Which hardware")[0]
    for name, value in changed.items():
        assert f'name="{name}" value="{value}"' in page
    assert launched.status_code == 303


def test_the_run_page_shows_what_was_told(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    launched = client.post("/runs", data=form, follow_redirects=False)

    page = client.get(launched.headers["location"]).text

    with reading(session_factory) as session:
        run = session.get_one(Run, launched.headers["location"].rpartition("/")[2])
        assert run.quote["estimate"]["hardware_id"] == "l4"
    assert "Told before launch, and what it took" in page
    assert re.search(r'<th scope="row">Memory</th><td>[\d.]+ GiB</td><td>–</td>', page)


def test_without_hardware_nothing_is_refused_and_what_is_not_known_is_said(
    client: TestClient, too_large: dict[str, str]
) -> None:
    too_large["hardware"] = ""

    card = estimated(client, too_large)

    assert "No worker has told its hardware yet." in card
    assert "$" not in card.split("What is evaluated")[0]
    assert "Launch run" in card
    assert client.post("/runs", data=too_large, follow_redirects=False).status_code == 303


def test_the_hardware_of_a_worker_is_offered_first(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    with transaction(session_factory) as session:
        sign = Sign(owner="a", host="a", version="1", gpu="0", device="NVIDIA L40S", memory_bytes=46068 << 20)
        runs.renew_worker(session, sign, run_id=None, note="")

    page = client.get("/runs/new").text
    card = estimated(client, form | {"hardware": ""})

    assert '<option value="">Your worker: L40S 48 GB</option>' in page
    assert re.search(r"<b>[\d.]+</b> of 4\d GiB", card)


def test_an_unknown_device_is_said_in_words(
    client: TestClient, form: dict[str, str], session_factory: SessionFactory
) -> None:
    with transaction(session_factory) as session:
        sign = Sign(owner="a", host="a", version="1", gpu="0", device="NVIDIA GeForce GTX 1080")
        runs.renew_worker(session, sign, run_id=None, note="")

    card = estimated(client, form | {"hardware": ""})

    assert "NVIDIA GeForce GTX 1080 is not in the hardware catalogue" in card


def test_a_model_whose_config_is_not_known_gets_no_number(client: TestClient, form: dict[str, str]) -> None:
    form |= {"base_model.id": "hub", "hub_id": "someone/new-model"}

    card = estimated(client, form)

    assert "config.json is not known before its first download" in card.replace("&#39;", "'")
    assert "GiB" not in card
    assert client.post("/runs", data=form | {"license.accepted": "true"}, follow_redirects=False).status_code == 303


def test_settings_that_the_base_model_cannot_take_are_said_in_place_of_numbers(
    client: TestClient, form: dict[str, str]
) -> None:
    card = estimated(client, form | {"method.lora.targets": "no_such_layer"})

    assert "no_such_layer" in card.split("What is evaluated")[0]
    assert "GiB" not in card


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"budget.max_hours": "0.0001"}, "leaves no step"),
        ({"budget.max_dollars": "1"}, "A cap in dollars needs a price"),
        ({"hardware": "abacus"}, "There is no hardware"),
    ],
)
def test_a_cap_that_cannot_hold_is_refused(
    client: TestClient, form: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    refused = client.post("/runs", data=form | changes)

    assert refused.status_code == 422
    assert sentence in refused.text
