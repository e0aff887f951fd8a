"""The report in a real browser, without network: it opens, sorts and filters; the console stays empty."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.example_run import HOSTILE, example_run

from backorder_forecast import report
from backorder_forecast.config import Config

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    run = example_run(config=Config(report={"top": 3}))
    lines = run.tables["line_eta"]
    many = [lines.assign(line_id=lines["line_id"] + f"-{k}") for k in range(3)]
    import pandas as pd

    path.write_bytes(
        report.render(example_run(config=run.config, tables={**run.tables, "line_eta": pd.concat(many)}))
    )
    return path


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append("a dialog"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def shown(page: Any, column: int = 1) -> list[str]:
    cells = page.locator(f"#line-eta tbody tr:visible > :nth-child({column})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_it_opens_offline_with_all_its_pictures(page: Any) -> None:
    assert page.title() == "Backorder report, 2026-06-30"
    assert page.evaluate("Array.from(document.images).every((one) => one.complete && one.naturalWidth > 0)")
    assert HOSTILE in page.inner_text("#line-eta")


def test_it_shows_the_first_rows_and_then_all(page: Any) -> None:
    assert len(shown(page)) == 3
    page.click("#line-eta .bar button")
    assert len(shown(page)) == 9


def test_it_sorts_numbers_as_numbers_and_empty_last(page: Any) -> None:
    page.click("#line-eta .bar button")
    page.click("#line-eta th button:text-is('Chance kept')")
    head = page.locator("#line-eta th", has_text="Chance kept")
    assert head.get_attribute("aria-sort") == "ascending"
    kept = shown(page, 1 + page.evaluate("(head) => head.cellIndex", head.element_handle()))
    assert kept == ["0 %"] * 3 + ["2 %"] * 3 + ["61 %"] * 3
    page.click("#line-eta th button:text-is('Chance kept')")
    assert head.get_attribute("aria-sort") == "descending"
    assert shown(page, 1 + page.evaluate("(head) => head.cellIndex", head.element_handle()))[0] == "61 %"
    for _ in range(2):  # whichever way it is sorted, a line without a date stands last
        page.click("#line-eta th button:text-is('Ships p50')")
        head = page.locator("#line-eta th", has_text="Ships p50")
        dates = shown(page, 1 + page.evaluate("(head) => head.cellIndex", head.element_handle()))
        assert dates[-3:] == [""] * 3
        assert "" not in dates[:-3]


def test_it_sorts_by_keyboard_and_ids_in_natural_order(page: Any) -> None:
    page.focus("#line-eta th button:text-is('Line')")
    page.keyboard.press("Enter")
    assert shown(page) == ["L1-0", "L1-1", "L1-2"]
    page.keyboard.press("Space")
    assert shown(page) == ["L4-2", "L4-1", "L4-0"]


def test_it_filters_by_words_and_counts(page: Any) -> None:
    page.get_by_label("Filter").first.fill("no supply camshaft")
    assert shown(page) == ["L4-0", "L4-1", "L4-2"]
    assert "3 of 3 found" in page.inner_text("#line-eta [role=status]")
    page.get_by_label("Filter").first.fill("nothing like it")
    assert shown(page) == []


def test_without_a_script_every_row_is_there(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#line-eta tbody tr").count() == 9
    context.close()


def test_it_is_accessible(page: Any) -> None:
    """What an accessibility check asks first: landmarks, names, headings; contrast is measured below."""
    assert page.locator("main").count() == page.locator("h1").count() == 1
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.evaluate("Array.from(document.querySelectorAll('input')).every((one) => one.labels.length)")
    assert page.evaluate(
        "Array.from(document.querySelectorAll('button')).every((one) => one.innerText || one.hidden)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_text_stands_out(browser: Any, path: Path, scheme: str) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate(LOWEST_CONTRAST) >= 4.5
    context.close()


def test_it_prints(browser: Any, path: Path) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    context.close()


LOWEST_CONTRAST = """() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = 21;
  for (const one of document.querySelectorAll("body *")) {
    const own = Array.from(one.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || one.closest(".skip") || ["SCRIPT", "STYLE"].includes(one.tagName)) continue;
    const [a, b] = [light(parts(getComputedStyle(one).color)), light(behind(one))];
    lowest = Math.min(lowest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return lowest;
}"""
