"""The built site, served here under a sub-path as it is when published, and a Chromium to read it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # only the process that gets these tests loads it
    from playwright.sync_api import Browser, BrowserContext, Page

SUB_PATH = "/unit-gain"
AXE = f"{SUB_PATH}/axe.min.js"
PATIENCE = 300_000  # ms: whatever else the machine does
# Every layout shift that no input caused, added up from the first moment on.
COUNT_SHIFTS = """
globalThis.shift = 0;
new PerformanceObserver(list => list.getEntries().forEach(e => e.hadRecentInput || (shift += e.value)))
  .observe({type: "layout-shift", buffered: true});
"""


@functools.cache
def one_word(index: Path) -> bytes:
    """The index of words with the first entry alone: every page would take a second to make all of it."""
    words = json.loads(index.read_text(encoding="utf-8"))
    return json.dumps(words | {"docs": words["docs"][:1]}).encode()


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site and axe; where nothing is searched for, next to no index."""

    def __init__(self, *args, root: Path, search: bool, **options):
        self.root, self.search = root, search
        super().__init__(*args, **options)

    def translate_path(self, path: str) -> str:
        if path == AXE:
            return str(self.root / "build/npm/node_modules/axe-core/axe.min.js")
        inside = path.startswith(f"{SUB_PATH}/")
        return super().translate_path(path.removeprefix(SUB_PATH) if inside else "/outside the sub-path")

    def do_GET(self) -> None:
        if self.search or not self.path.endswith("/search_index.json"):
            return super().do_GET()
        body = one_word(Path(self.translate_path(self.path)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(root, site, *, search: bool) -> Iterator[str]:
    handler = functools.partial(Handler, directory=str(site), root=root, search=search)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{SUB_PATH}/"
        server.shutdown()


@pytest.fixture(scope="session")
def base(root, site) -> Iterator[str]:
    with served(root, site, search=False) as address:
        yield address


@pytest.fixture(scope="session")
def browser(left_out) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if found is None:
        left_out("left out: the browser tests. There is no Chromium; Debian's package is `chromium`")
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",  # containers run this as root, and the only pages it opens are ours
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nobody else can be asked
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=arguments, timeout=PATIENCE)
        yield chromium
        chromium.close()


class Visitor:
    """One browser context with one page, and what went wrong in it."""

    def __init__(self, browser: Browser, base: str, **options):
        self.base, self.wrong, self.requests = base, [], []
        self.options = {"viewport": None, "color_scheme": None} | options
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(COUNT_SHIFTS)
        self.context.on("request", self._on_request)
        self.context.on("response", self._on_response)
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.wrong.append(f"uncaught: {error.error}"))
        self.page = self.context.new_page()

    def _on_request(self, request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.wrong.append(f"outside request: {request.url}")

    def _on_response(self, response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status}: {response.url}")

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text}")

    def open(self, address: str) -> Page:
        self.page.goto("about:blank")  # what the page before still asks for is not this one's, …
        self.page.request_gc()  # … and a picture that it left in memory is asked for at once, hidden or not
        self.page.set_viewport_size(self.options["viewport"])
        self.page.emulate_media(color_scheme=self.options["color_scheme"])
        self.wrong.clear()
        self.requests.clear()
        self.page.goto(self.base + address, wait_until="load")
        return self.page


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
