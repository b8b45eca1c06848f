"""A headless Chromium for tests of pages, where one is installed."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")


def why_not():
    """Why there is no browser; empty if there is one."""
    lacking = [name for name in ("selenium", "axe_core_python") if not find_spec(name)]
    return ", ".join(lacking + ["chromium"] * (not CHROMIUM) + ["chromedriver"] * (not DRIVER))


@contextmanager
def chromium(folder):
    """Start a browser whose profile lies in a folder, and end it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # As root, as in a container, Chromium does not start in a sandbox.
    for switch in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", f"user-data-dir={folder}"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def look(driver, *, width=1280, height=1000, dark=False):
    """Set the size of the window, and whether the user prefers dark pages."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def settled(driver):
    """Wait until the page has drawn what it was asked for."""
    frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
    driver.execute_async_script(frames)


def accessibility_findings(driver):
    """What axe finds against the page, and what it cannot decide, each with the first element."""
    from axe_core_python import base

    axe = Path(base.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    driver.execute_script(axe)
    run = "const done = arguments[0]; axe.run(document).then(done)"
    found = driver.execute_async_script(run)
    assert len(found["passes"]) > 20
    kinds = (found["violations"], found["incomplete"])
    return [[(each["id"], each["nodes"][0]["html"]) for each in kind] for kind in kinds]
