"""Ask axe-core what is wrong with a page as it is now, in the light and in the dark."""

from __future__ import annotations

from playwright.sync_api import Page

from shared.settings import ROOT
from tools.environments import pinned_npm_environment

BY_AXE = ("Applying inline style",)  # it tries colours out, and the page's policy says so
LIGHTS = ("light", "dark")


def faults(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page in the light that it is shown in."""
    axe = pinned_npm_environment("page", ROOT / "page") / "axe-core" / "axe.min.js"
    page.evaluate(axe.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def faults_in_both_lights(page: Page) -> dict[str, list[str]]:
    """Return the faults in the light and in the dark, by the light; none of one that is without."""
    found = {}
    for light in LIGHTS:
        page.emulate_media(color_scheme=light)
        found[light] = faults(page)
    return {light: each for light, each in found.items() if each}
