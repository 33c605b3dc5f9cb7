"""The profile of a dataset and the tokens of its rows, from the upload to the launch form."""

import re

import pytest
from fastapi.testclient import TestClient

from studio.settings import Settings
from tests.worker.benches import on_sqlite
from worker.chores import ChoreSlot

from .test_pages_checks import HOSTILE, upload

pytestmark = on_sqlite
PAIRS = [(f"Say {number} <|im_end|>\tnow", f"It is {number}.") for number in range(40)]
LONG = ("Tell me all. " * 60, f"{HOSTILE} naïve 漢字")


@pytest.fixture
def page(client: TestClient, cpu_worker: ChoreSlot) -> str:
    """The page of a dataset whose tokens are counted for the demo model."""
    address = upload(client, [*PAIRS, LONG])
    counted = client.post(f"{address}/profile", data={"base_model.id": "demo", "max_length": "64"})
    assert counted.status_code == 200
    cpu_worker.drain()
    return address


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_a_dataset_is_counted_when_somebody_asks(client: TestClient, cpu_worker: ChoreSlot) -> None:
    address = upload(client, PAIRS)

    before = client.get(f"{address}/profile").text
    waiting = client.post(f"{address}/profile", data={"base_model.id": "demo", "max_length": "128"})
    cpu_worker.drain()
    done = client.get(f"{address}/profile?max_length=32").text

    assert "Not counted yet" in before
    assert waiting.history[0].status_code == 303
    assert "Waiting for a worker" in waiting.text and "hx-trigger" in waiting.text
    assert "hx-trigger" not in done.split('id="profile"')[1].split(">")[0]
    assert "Rows kept whole" in words(done)
    assert "Tokens of a row" in done and "longest row 32" in done


def test_what_a_longest_row_costs_is_told_with_a_link_to_the_rows(client: TestClient, page: str) -> None:
    shown = client.get(f"{page}/profile?max_length=64").text

    assert "1 row teaches nothing at this length" in words(shown)
    listed = client.get(re.search(r'href="([^"]*rows/untaught[^"]*)"', shown)[1].replace("&amp;", "&")).text  # type: ignore[index]
    assert "Row 41" in listed
    assert "No such row" in client.get(f"{page}/profile/rows/cut?max_length=8000").text


def test_rows_that_teach_nothing_are_dropped_by_a_new_version(
    client: TestClient, cpu_worker: ChoreSlot, page: str
) -> None:
    tried = client.post(f"{page}/profile/rows/untaught?max_length=64")
    cpu_worker.drain()

    assert "Drop row 41" in words(client.get(str(tried.url)).text)
    assert client.post(f"{page}/profile/rows/untaught?max_length=8000").status_code == 422


def test_the_suggestion_opens_the_launch_form_with_it(client: TestClient, page: str) -> None:
    shown = client.get(f"{page}/profile?max_length=1024").text
    address = re.search(r'href="(/runs/new[^"]+max_length=[^"]+)"', shown)[1].replace("&amp;", "&")  # type: ignore[index]

    form = client.get(address).text

    suggestion = re.search(r"Suggested longest row: ([\d,]+)", shown)[1].replace(",", "")  # type: ignore[index]
    assert re.search(rf'name="data.max_length_tokens"[^>]*value="{suggestion}"', form)
    assert '<option value="demo" selected>' in form


def test_every_token_of_a_row_says_what_becomes_of_it(client: TestClient, page: str) -> None:
    shown = client.get(f"{page}/rows/1/tokens?max_length=64").text

    assert "Only read:" in shown and "Learned:" in shown
    assert 'class="token token-trained token-special"' in shown
    assert "·" in shown and "→\t" in shown
    for name in ("Learned: underlined", "Cut: struck through", "Special token: framed"):
        assert name in shown


def test_text_of_a_row_is_never_markup(client: TestClient, page: str) -> None:
    shown = client.get(f"{page}/rows/41/tokens?max_length=4000").text

    assert HOSTILE not in shown
    tokens = re.findall(r'<span class="token [^>]*>([^<]*)</span>', shown.split('class="panel tokens"')[1])
    assert "naïve·漢字" in "".join(tokens)


def test_rows_and_lists_that_are_not_there_are_not_found(client: TestClient, page: str) -> None:
    assert client.get(f"{page}/rows/42/tokens").status_code == 404
    assert client.get(f"{page}/rows/0/tokens").status_code == 404
    assert client.get(f"{page}/profile/rows/other").status_code == 404


@pytest.mark.parametrize(
    "form", [{"base_model.id": "../x", "max_length": "64"}, {"base_model.id": "demo", "max_length": "5"}, {}]
)
def test_a_form_that_makes_no_sense_is_refused(client: TestClient, page: str, form: dict[str, str]) -> None:
    assert client.post(f"{page}/profile", data=form).status_code == 422


def test_a_cleared_cache_is_filled_again(
    client: TestClient, cpu_worker: ChoreSlot, page: str, web_settings: Settings
) -> None:
    for path in web_settings.cache_dir.rglob("*.u64"):
        path.unlink()

    cleared = client.get(f"{page}/profile").text
    client.post(f"{page}/profile", data={"base_model.id": "demo", "max_length": "64"})
    cpu_worker.drain()

    assert "The counted tokens are not kept any more." in cleared
    assert "Suggested longest row" in client.get(f"{page}/profile").text


def test_what_the_checks_counted_is_drawn_beside_the_tokens(client: TestClient, cpu_worker: ChoreSlot) -> None:
    address = upload(client, [*((f"Is {n} odd?", "yes" if n % 2 else "no") for n in range(60)), ("Is 2 odd?", "no")])

    before = client.get(f"{address}/profile").text
    cpu_worker.drain()
    drawn = client.get(f"{address}/profile").text

    assert "The checks count languages, labels" in before
    assert 'aria-label="Labels: no 31 rows, yes 30 rows"' in drawn
    assert 'aria-label="Length of answers: 2 to 3 61 rows"' in drawn
    assert 'aria-label="Turns of a row: 2 turns 61 rows"' in drawn
    assert re.search(rf'Is 2 odd\? → no</th><td><a[^>]* href="{address}/rows/3/edit">Row 3</a></td>', drawn)


def test_a_program_counts_tokens_and_reads_what_a_longest_row_makes_of_them(
    client: TestClient, cpu_worker: ChoreSlot, page: str
) -> None:
    profile = f"/api{page}/profile"
    shown = client.get(f"{profile}?base_model=demo&max_length=64").json()
    again = client.post(f"{profile}?max_length=8000", json={"base_model": "demo"})
    other = client.post(profile, json={"base_model": "demo", "train_on": "everything"})

    truth = shown["counted"]["truth"]
    assert (shown["status"], shown["version"], shown["train_on"]) == ("done", 1, "answers")
    assert (truth["max_length"], truth["rows"], truth["untaught_rows"]) == (64, 41, 1)
    assert (again.status_code, again.json()["id"]) == (202, shown["id"])
    assert again.json()["counted"]["truth"]["whole_rows"] == 41
    assert (other.json()["status"], other.json()["counted"]) == ("queued", None)
    rows = client.get(f"{profile}/rows/untaught?base_model=demo&max_length=64").json()
    assert (rows["count"], [row["row"] for row in rows["rows"]]) == (1, [41])
    stopped = client.delete(f"{profile}?base_model=demo&train_on=everything").json()
    assert stopped["status"] == "cancelled"
    assert client.get(f"{profile}?base_model=other/model").status_code == 404
    assert client.post(profile, json={"base_model": "../x"}).status_code == 422


def test_counting_can_be_stopped(client: TestClient) -> None:
    address = upload(client, PAIRS)
    client.post(f"{address}/profile", data={"base_model.id": "demo", "max_length": "64"})

    stopped = client.post(f"{address}/profile/cancel")

    assert "Counting was stopped." in stopped.text
