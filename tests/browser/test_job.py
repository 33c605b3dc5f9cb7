"""The whole job by hand: upload, choose QLoRA, launch, watch, reload, download, load with peft."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.base_models import demo_folder
from tests.browser.live import LiveStudio, running_studio

pytestmark = [pytest.mark.browser, pytest.mark.training]

STEPS = 4
LOAD = """
import sys
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained(sys.argv[1])
print(PeftModel.from_pretrained(base, sys.argv[2]).peft_config["default"].r)
"""
MINUTES = 60_000


@pytest.fixture(scope="module")
def live(redis_url: str) -> Iterator[LiveStudio]:
    """A website and a worker."""
    with running_studio(redis_url, with_worker=True) as studio:
        yield studio


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of 60 short conversations."""
    file = tmp_path / "colours.jsonl"
    colours = ("red", "green", "blue")
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"What colour has number {number}?"},
                {"role": "assistant", "content": f"It is {colours[number % 3]}."},
            ]
        }
        for number in range(60)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_from_a_file_to_an_adapter_that_peft_loads(
    open_page: Callable[..., Page], complaints: list[str], live: LiveStudio, rows: Path, tmp_path: Path
) -> None:
    page = open_page()

    upload(page, live, rows)
    launch(page)
    watch(page)
    archive = download(page, tmp_path)

    assert complaints == []
    load_with_peft(archive, tmp_path)


def upload(page: Page, live: LiveStudio, rows: Path) -> None:
    """From Home to the dataset's page."""
    page.goto(live.url)
    page.get_by_role("link", name="Upload", exact=True).click()
    page.get_by_label("Choose a file").set_input_files(rows)
    page.get_by_role("button", name="Upload and check").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("colours")


def launch(page: Page) -> None:
    """From the dataset to a short run of QLoRA."""
    page.get_by_role("link", name="Fine-tune on this").click()
    page.locator('[name="method.kind"][value=qlora]').check()
    page.get_by_text("Advanced", exact=True).click()
    for name, value in {
        "Longest row": "32",
        "Batch size": "2",
        "Gradient accumulation": "1",
        "Learning rate": "3e-3",
        "Stop after steps": str(STEPS),
        "Evaluate every": "2",
        "Validation rows": "2",
        "Sample answers": "1",
        "Longest sample": "2",
    }.items():
        page.get_by_label(name, exact=True).fill(value)
    expect(page.locator("#plan")).to_contain_text("2 x 1 = 2")
    page.locator("#plan").get_by_role("button", name="Launch").click()
    expect(page.locator("#run-status")).to_be_visible()


def watch(page: Page) -> None:
    """Validation losses appear one by one, a reload in the middle loses none, and the run ends well."""
    validations = page.locator("#run-losses tbody tr:has(td:nth-child(4))")
    page.get_by_text("The same as a table").click()
    expect(validations.first).to_be_visible(timeout=3 * MINUTES)
    seen = validations.count()

    page.reload()

    page.get_by_text("The same as a table").click()
    expect(validations.nth(seen - 1)).to_be_visible()
    expect(page.locator("#run-status")).to_have_attribute("data-status", "succeeded", timeout=5 * MINUTES)
    # Validated before training and at steps 2 and 4.
    expect(validations).to_have_count(3)
    expect(page.locator("#loss-chart")).to_have_attribute("data-points", f"{STEPS} 3")
    expect(page.locator("#run-answers article")).to_have_count(1)


def download(page: Page, folder: Path) -> Path:
    """The archive behind the button."""
    with page.expect_download() as started:
        page.get_by_role("link", name="Download adapter").click()
    archive = folder / started.value.suggested_filename
    started.value.save_as(archive)
    return archive


def load_with_peft(archive: Path, folder: Path) -> None:
    """Plain transformers and peft take the unpacked archive, in a process that knows nothing of the studio."""
    zipfile.ZipFile(archive).extractall(folder / "adapter")
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, str(demo_folder()), str(folder / "adapter")],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() == "16"
