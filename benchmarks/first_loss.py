"""From the POST of the launch form to the first loss in the page, with a warm and with a just started worker.

Goals: 3 s warm, 15 s cold.
"""

import time

from playwright.sync_api import Page, sync_playwright

from benchmarks._studio import CHROMIUM_FLAGS, ROOT, running_studio, write_result
from studio.demo_client import Client

REPEATS = 5
_OBSERVE = """
(() => {
  const seen = () => {
    const place = document.querySelector('[data-latest="train/loss"]');
    if (place && /[0-9]/.test(place.textContent) && !window.firstLossAt) window.firstLossAt = Date.now();
  };
  new MutationObserver(seen).observe(document, {subtree: true, childList: true, characterData: true});
  document.addEventListener('DOMContentLoaded', seen);
})();
"""


def main() -> None:
    """Measure both and write the result."""
    with running_studio() as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.add_init_script(_OBSERVE)
        dataset = Client(studio.url).upload("/api/datasets", ROOT / "examples" / "support-tickets.jsonl")
        cold = _launch_to_first_loss(page, studio.url, dataset["id"])
        _cancel(page)
        studio.await_worker()
        warm = []
        for _ in range(REPEATS):
            warm.append(_launch_to_first_loss(page, studio.url, dataset["id"]))
            _cancel(page)
        browser.close()
    write_result(
        "first_loss",
        {
            "warm_seconds": sorted(round(seconds, 2) for seconds in warm),
            "warm_median_seconds": round(sorted(warm)[len(warm) // 2], 2),
            "warm_goal_seconds": 3.0,
            "cold_seconds": round(cold, 2),
            "cold_goal_seconds": 15.0,
        },
    )


def _launch_to_first_loss(page: Page, url: str, dataset_id: str) -> float:
    page.goto(f"{url}/runs/new?recipe=demo&dataset={dataset_id}")
    button = page.get_by_role("button", name="Launch run").first
    posted_at = time.time()
    button.click()
    page.wait_for_url("**/runs/run_*")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        seen_at = page.evaluate("window.firstLossAt || 0")
        if seen_at:
            return float(seen_at) / 1000 - posted_at
        time.sleep(0.02)
    raise TimeoutError(f"no loss on {page.url}")


def _cancel(page: Page) -> None:
    """End the run, so that the next one does not wait for it."""
    page.get_by_role("button", name="Cancel run").first.click()
    page.locator("#cancel").get_by_role("button", name="Cancel run").click()
    page.locator('[data-status="cancelled"]').wait_for(timeout=20_000)


if __name__ == "__main__":
    main()
