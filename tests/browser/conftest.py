"""A real Chromium, a fresh profile for each page, and what it has to complain about."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SEVERE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(" | "));
}"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LookOver = Callable[[str, str], None]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; its event loop ends with this package, so that other tests can have their own."""
    if not shutil.which(CHROMIUM):
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing; apt-get install chromium")
        pytest.skip(f"{CHROMIUM} is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the console and the content security policy had against the pages of a test."""
    return []


@pytest.fixture
def open_page(chromium: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Open a page in a fresh profile; keyword arguments are Playwright's."""
    with ExitStack() as stack:

        def _open(**options: object) -> Page:
            context = chromium.new_context(**options)  # type: ignore[arg-type]
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            return page

        yield _open


@pytest.fixture
def look_over(open_page: Callable[..., Page], complaints: list[str]) -> LookOver:
    """See that a page, in a look, is open to assistive technology, within the policy and no wider than the screen."""

    def _look(url: str, theme: str) -> None:
        page = open_page(viewport={"width": 1280, "height": 860}, color_scheme=theme, reduced_motion="reduce")
        page.goto(url)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        assert page.evaluate(SEVERE) == []
        for width in (390, 320):
            page.set_viewport_size({"width": width, "height": 860})
            assert page.evaluate(OVERFLOW) <= 0, width
        assert complaints == []

    return _look
