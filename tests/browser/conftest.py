"""The built site, served here under a sub-path as it is when published, and a Chromium to read it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

SUB_PATH = "/unit-gain"
# Every layout shift that no input caused, added up from the first moment on.
COUNT_SHIFTS = """
globalThis.shift = 0;
new PerformanceObserver(list => list.getEntries().forEach(e => e.hadRecentInput || (shift += e.value)))
  .observe({type: "layout-shift", buffered: true});
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        inside = path.startswith(f"{SUB_PATH}/")
        return super().translate_path(path.removeprefix(SUB_PATH) if inside else "/outside the sub-path")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def base(site) -> Iterator[str]:
    handler = functools.partial(Handler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{SUB_PATH}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(left_out) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if found is None:
        left_out("left out: the browser tests. There is no Chromium; Debian's package is `chromium`")
    with sync_playwright() as playwright:
        # No sandbox: containers run this as root, and the only pages it opens are ours.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


class Visitor:
    """One browser context, and what went wrong in it."""

    def __init__(self, browser: Browser, base: str, **options):
        self.base, self.wrong, self.requests = base, [], []
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(10_000)
        self.context.add_init_script(COUNT_SHIFTS)
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("response", self._on_response)
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.wrong.append(f"uncaught: {error.error}"))
        self.context.route(self._is_outside, self._refuse)

    def _is_outside(self, url: str) -> bool:
        return not url.startswith((self.base, "data:", "blob:"))

    def _refuse(self, route) -> None:
        self.wrong.append(f"outside request: {route.request.url}")
        route.abort()

    def _on_response(self, response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text}")

    @contextlib.contextmanager
    def open(self, address: str) -> Iterator[Page]:
        self.wrong.clear()
        self.requests.clear()
        page = self.context.new_page()
        try:
            page.goto(self.base + address, wait_until="load")
            yield page
        finally:
            page.close()


@pytest.fixture(scope="session")
def visitor(browser, base) -> Iterator:
    """`visitor(**context_options)`: a Visitor, made once for each set of options."""
    visitors: dict[tuple, Visitor] = {}

    def one(**options) -> Visitor:
        key = tuple(sorted((name, str(value)) for name, value in options.items()))
        if key not in visitors:
            visitors[key] = Visitor(browser, base, **options)
        return visitors[key]

    yield one
    for made in visitors.values():
        made.context.close()
