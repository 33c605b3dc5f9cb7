"""Take the documentation's pictures of a running studio: `python scripts/take_screenshots.py URL RUN_ID`."""

import argparse
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 860
LIMIT_BYTES = 200_000


def main() -> None:
    """Write one PNG for each page; the run should be a finished one, so that every part of it shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the studio answers, such as http://127.0.0.1:8000")
    parser.add_argument("run_id", help="the run to show")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        for name, path in _pages(page, options.url, options.run_id).items():
            _take(page, urljoin(options.url, path), FOLDER / f"{name}.png")
        browser.close()


def _pages(page: Page, url: str, run_id: str) -> dict[str, str]:
    """File names and paths: the run, then its dataset and its adapter as the run's page links them."""
    page.goto(urljoin(url, f"/runs/{run_id}"))
    links = page.locator("#run-status a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    paths = {"home": "/", "run": f"/runs/{run_id}", "runs": "/runs"}
    for link in links:
        if link.startswith("/datasets/"):
            # The link of a run names the version that it was trained on.
            dataset = link.partition("?")[0]
            paths |= {"dataset": dataset, "checks": f"{dataset}/checks", "split": f"{dataset}/split"}
            # From the base model on, so that the aim, the advice and the methods' prices are in sight.
            form = f"dataset={dataset.rpartition('/')[2]}&base_model=Qwen/Qwen3-1.7B&method.kind=lora&hardware=l4"
            paths["new-run"] = f"/runs/new?{form}#part-base"
        if link.startswith("/adapters/"):
            paths["adapter"] = link.removesuffix("/archive")
    return paths


def _take(page: Page, url: str, file: Path) -> None:
    page.goto(url)
    # Networks stay busy on a live run; what has to be there is the chart.
    if page.locator("#loss-chart").count():
        page.locator("#loss-chart canvas").wait_for()
    page.wait_for_timeout(300)
    page.screenshot(path=file)
    size = file.stat().st_size
    if size > LIMIT_BYTES:
        raise SystemExit(f"{file.name} has {size:,} bytes, more than {LIMIT_BYTES:,}.")
    print(f"{file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file}: {size:,} bytes")


if __name__ == "__main__":
    main()
