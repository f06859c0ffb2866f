"""What holds for all tests, and the browser that some of them look through."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.kept import close_folder, open_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A machine under load is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# A shell that starts the tests in the background lets them, and all that they start, ignore Ctrl-C.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The width of a terminal, and what the command tells GitHub, are no part of what it tells the tests.
for name in ("COLUMNS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)

# Two runs are to make the same report.
os.environ["SOURCE_DATE_EPOCH"] = "1767225600"

CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE = 60_000  # milliseconds


LONG = (
    "test_jobs_ray.py",
    "test_round_trip.py",
    "test_tune.py",
    "test_hostile_reports.py",
    "test_commands.py",
    "test_readme.py",
    "test_readable.py",
    "test_wrapped.py",
    "test_pages.py",
    "test_preflight_export.py",
)
"""Files that take longest come first, so that no worker is left alone with one at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of what the workers share, in the process that starts them."""
    if not hasattr(config, "workerinput"):
        open_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if not hasattr(config, "workerinput"):
        close_folder()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def commands_once() -> Iterator[None]:
    """Read the flags of a verb once: typer reads those of all verbs for each call, which takes longer than most do."""
    import typer.main

    real = typer.main.get_command_from_info
    built: dict[int, tuple[Any, Any]] = {}

    def once(command_info: Any, **settings: Any) -> Any:
        if id(command_info) not in built:
            built[id(command_info)] = command_info, real(command_info, **settings)
        return copy.copy(built[id(command_info)][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command_from_info", once)
        yield


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window; the loop that playwright needs ends with the module."""
    where = next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        where = None
    if where is None:
        missing = "needs Chromium and the package playwright"
        if os.environ.get("DEBIAS_TEST_BROWSER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # The sandbox cannot be had as root or in a container; the pages are our own.
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[Page]:
    """Return an empty page of its own, off line: `page.goto(path.as_uri())` opens a file."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums are rounded alike, whatever the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
