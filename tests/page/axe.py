"""Ask axe-core what is wrong with a page as it is now, in the light and in the dark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from playwright.sync_api import Locator, Page

from shared.settings import ROOT
from tools.environments import pinned_npm_environment

BY_AXE = ("Applying inline style",)  # it tries colours out, and the page's policy says so
LIGHTS = ("light", "dark")
OF_COLOURS = ("color-contrast", "link-in-text-block")  # the rules that judge another light otherwise
RUN = """async ([within, rules]) => {
  const only = rules.length ? { runOnly: { type: 'rule', values: rules } } : {};
  const { violations } = await axe.run(within ?? document, { resultTypes: ['violations'], ...only });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}"""


@cache
def source() -> str:
    return (pinned_npm_environment("page", ROOT / "page") / "axe-core" / "axe.min.js").read_text()


def faults(page: Page, within: Locator | None = None, rules: Sequence[str] = ()) -> list[str]:
    """Return what axe-core finds wrong with the page, or with a part of it, in the light that it is shown in.

    `rules`: the ids of those that are tried; without any, all of axe-core's usual ones.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(source())
    found: list[str] = page.evaluate(RUN, [None if within is None else within.element_handle(), list(rules)])
    return found


def faults_in_both_lights(page: Page, within: Locator | None = None) -> dict[str, list[str]]:
    """Return the faults in the light and in the dark, by the light; none of one that is without."""
    found = {}
    for light, rules in zip(LIGHTS, ((), OF_COLOURS), strict=True):
        page.emulate_media(color_scheme=light)
        found[light] = faults(page, within, rules)
    return {light: each for light, each in found.items() if each}
