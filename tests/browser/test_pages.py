"""Every page in both looks: readable by assistive technology, within the policy, and no wider than the screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from studio import datasets
from studio.db import transaction
from studio.runs import Run
from tests.browser.conftest import LookOver
from tests.browser.live import LiveStudio, running_studio
from tests.browser.rows import STEPS, adapter_of, import_numbers, make_ladder, make_run

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/datasets",
    "/datasets/new",
    "/datasets/new/hub",
    "/datasets/{dataset}",
    "/runs",
    "/runs/new?recipe=demo",
    "/runs/new?dataset={dataset}&base_model=Qwen/Qwen3-8B&hardware=t4",
    "/runs/{queued}",
    "/runs/{running}",
    "/runs/{succeeded}",
    "/runs/{failed}",
    "/runs/{too_large}",
    "/runs/{resumed}",
    "/runs/{given_up}",
    "/runs/{paused}",
    "/guide",
    "/guide?learn=behaviour&change=rarely&examples=many&format=strict&latency=fast&license=unsure",
    "/ladders",
    "/ladders/{ladder}",
    "/adapters",
    "/adapters/{adapter}",
    "/spending",
    "/spending/prices",
    "/system",
)


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website without a worker."""
    with running_studio(redis_url, with_worker=False) as studio:
        yield studio


@pytest.fixture(scope="module")
def ids(live: LiveStudio) -> dict[str, str]:
    """Ids of a dataset, an adapter, and a run in each state."""
    dataset = import_numbers(live, "Numbers", datasets.Split())
    found = {"dataset": dataset.id}
    for state in ("failed", "succeeded", "running", "queued", "too_large", "resumed", "given_up", "paused"):
        found[state] = make_run(live, dataset, state)
    found["ladder"] = make_ladder(live, dataset, ("succeeded", "succeeded", "running"))
    with transaction(live.session_factory) as session:
        adapter = adapter_of(session.get_one(Run, found["succeeded"]))
        session.add(adapter)
        session.flush()
        found["adapter"] = adapter.id
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible_within_the_policy_and_fit_the_screen(
    look_over: LookOver, live: LiveStudio, ids: dict[str, str], path: str, theme: str
) -> None:
    look_over(live.url + path.format(**ids), theme)


def test_the_look_switches_without_script(open_page: Callable[..., Page], live: LiveStudio) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{live.url}/datasets/new")

    page.get_by_role("button", name="Dark look").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url == f"{live.url}/datasets/new"


def test_the_chart_reads_by_keyboard_and_marks_what_is_not_finite(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/{ids['failed']}")
    chart = page.locator("#loss-chart")
    expect(chart).to_have_attribute("data-points", f"{STEPS + 1} {STEPS // 20 + 1}")

    chart.focus()
    chart.press("Home")
    expect(page.locator(".chart-reading").first).to_contain_text("Step 0: validation 3.100")
    chart.press("End")
    expect(page.locator(".chart-reading").first).to_contain_text(f"Step {STEPS + 1}: training NaN")
    expect(page.locator('[data-latest="train/loss"]').first).to_have_text("NaN")


def test_dragging_over_the_chart_shows_a_range_and_the_button_the_whole(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/{ids['succeeded']}")
    chart, whole = page.locator("#loss-chart"), page.get_by_role("button", name="Whole run")
    chart.locator("canvas").wait_for()
    over = chart.locator(".u-over").bounding_box()
    assert over is not None
    height = over["y"] + over["height"] / 2

    with page.expect_response(lambda answer: "to=" in answer.url) as detail:
        page.mouse.move(over["x"] + over["width"] * 0.5, height)
        page.mouse.down()
        page.mouse.move(over["x"] + over["width"] * 0.75, height, steps=4)
        page.mouse.up()
    steps = [point[0] for point in detail.value.json()["series"]["train/loss"]]
    assert 28 <= steps[0] <= 32 and 43 <= steps[-1] <= 47
    expect(whole).to_be_visible()
    page.mouse.move(0, 0)
    chart.press("Home")
    expect(page.locator(".chart-reading").first).to_contain_text(f"Step {steps[0]}:")

    whole.click()
    expect(whole).to_be_hidden()
    chart.press("End")
    expect(page.locator(".chart-reading").first).to_contain_text(f"Step {STEPS}:")


def test_tabs_show_one_part_at_a_time(open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/{ids['succeeded']}")
    expect(page.locator("#answers")).to_be_visible()

    page.get_by_role("link", name="Charts").click()

    expect(page.locator("#answers")).to_be_hidden()
    expect(page.locator("#charts [data-metrics='train/learning_rate']")).to_have_attribute("data-points", str(STEPS))


def test_the_plan_follows_the_form(open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}")

    page.get_by_label("Batch size").fill("2")
    page.get_by_label("Gradient accumulation").fill("8")
    expect(page.locator("#plan")).to_contain_text("2 x 8 = 16")
    page.locator('[name="method.kind"][value=full]').check()
    expect(page.locator("#plan")).to_contain_text("1e-5")
    page.get_by_label("Batch size").fill("0")
    expect(page.locator("#plan")).to_contain_text("greater than or equal to 1")


def test_the_split_follows_the_dataset_and_the_rest_of_the_form_stays(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    split = datasets.Split(validation_fraction=0.2, test_fraction=0.3, seed=5)
    version = import_numbers(live, "Other numbers", split).latest.id
    page = open_page()
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}")
    page.get_by_label("Batch size").fill("2")
    page.get_by_text("Rows and split").click()

    page.get_by_label("Dataset", exact=True).select_option(version)

    expect(page.get_by_label("Test fraction")).to_have_value("0.3")
    expect(page.get_by_label("Seed").first).to_have_value("5")
    expect(page.locator("#plan")).to_contain_text("15")
    expect(page.get_by_label("Batch size")).to_have_value("2")
    expect(page.locator("details:has(#split-fields) [data-changed-count]")).to_have_text("3 differ from the default")


def test_only_the_fields_of_the_chosen_method_are_shown_even_without_script(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}")
    expect(page.get_by_label("Virtual tokens")).to_be_hidden()

    page.locator('[name="method.kind"][value=prompt_tuning]').check()

    expect(page.get_by_label("Virtual tokens")).to_be_visible()
    expect(page.get_by_label("Rank", exact=True)).to_have_count(3)
    expect(page.get_by_label("Rank", exact=True).first).to_be_hidden()


def test_the_estimate_follows_what_is_typed_and_a_fix_makes_the_run_fit(
    open_page: Callable[..., Page], complaints: list[str], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}&base_model=Qwen/Qwen3-0.6B&hardware=l4")
    plan, batch = page.locator("#plan"), page.get_by_label("Batch size", exact=True)
    launch, memory = plan.get_by_role("button", name="Launch"), plan.get_by_label("Memory", exact=True)
    expect(launch).to_contain_text("Launch - ")
    before = memory.inner_text()

    batch.fill("8")
    expect(plan).to_contain_text("8 x 4 = 32")
    expect(batch).to_be_focused()
    assert memory.inner_text() != before
    batch.fill("1024")
    expect(memory).to_contain_text("Does not fit")
    expect(page.get_by_role("status").filter(has_text="This run does not fit")).to_have_count(1)
    expect(launch).to_be_disabled()
    plan.locator(".fix-list button").first.click()

    expect(plan.locator(".applied")).to_be_focused()
    expect(batch).not_to_have_value("1024")
    launch.click()
    expect(page.locator("#run-status")).to_be_visible()
    assert complaints == []


def test_a_run_that_does_not_fit_is_refused_and_mended_without_script(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}&base_model=Qwen/Qwen3-0.6B&hardware=l4")
    launch = page.locator("#plan").get_by_role("button", name="Launch")
    page.get_by_label("Batch size", exact=True).fill("1024")

    launch.click()
    expect(page.get_by_role("alert").first).to_contain_text("This run does not fit")
    expect(page.get_by_label("Run on")).to_have_value("l4")
    page.get_by_role("alert").first.locator(".fix-list button").first.click()
    expect(page.locator("#plan")).to_contain_text("Applied: ")
    launch.click()

    expect(page.locator("#run-status")).to_be_visible()


def test_a_refused_form_puts_the_focus_on_the_first_wrong_field(
    open_page: Callable[..., Page], live: LiveStudio, ids: dict[str, str]
) -> None:
    page = open_page()
    page.goto(f"{live.url}/runs/new?dataset={ids['dataset']}")
    page.get_by_label("Epochs").fill("0")

    page.locator("#plan").get_by_role("button", name="Launch").click()

    expect(page.get_by_label("Epochs")).to_be_focused()
    expect(page.get_by_label("Epochs")).to_have_value("0")


def test_an_upload_in_progress_says_so_and_takes_no_second_click(
    open_page: Callable[..., Page], live: LiveStudio, tmp_path: Path
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text("not json\n")
    held: list[Route] = []
    page = open_page()
    page.goto(f"{live.url}/datasets/new")
    page.route("**/datasets", lambda route: held.append(route))
    page.get_by_label("Choose a file").set_input_files(file)
    button = page.get_by_role("button", name="Upload and check")
    expect(page.locator("#upload-busy")).to_be_hidden()

    button.click()

    expect(page.locator("#upload-busy")).to_contain_text("Uploading and checking")
    expect(page.locator("#upload-busy progress")).to_be_visible()
    expect(button).to_be_disabled()
    held[0].continue_()
    expect(page.locator("#dataset-refusal [role=alert]")).to_be_visible()
    expect(page.locator("#upload-busy")).to_be_hidden()
    expect(button).to_be_enabled()


def test_the_chosen_file_survives_the_question_for_columns(
    open_page: Callable[..., Page], live: LiveStudio, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("left,right\n" + "a,b\n" * 6)
    page = open_page()
    page.goto(f"{live.url}/datasets/new")
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Upload and check").click()

    page.get_by_label("Prompt").select_option("left")
    page.get_by_label("Completion").select_option("right")
    page.get_by_role("button", name="Upload and check").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("table")
    expect(page.locator("#dataset-rows article")).to_have_count(6)
