"""A page walked as somebody without a mouse walks it: by Tab, and by what has the focus."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, TimeoutError, expect

MOST = 80
"""Presses of Tab after which something does not count as reachable any more."""

_WHERE = """
() => {
  const e = document.activeElement;
  if (!e || e === document.body) return "nothing";
  const part = e.id ? "#" + e.id : e.dataset.part ? "[data-part=" + e.dataset.part + "]" : "";
  const words = (e.getAttribute("aria-label") ?? e.textContent).trim().replace(/\\s+/g, " ").slice(0, 40);
  return e.tagName.toLowerCase() + part + (words ? " '" + words + "'" : "");
}
"""
_RING = """
(e) => {
  const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(e);
  const seen = outlineStyle !== "none" && outlineWidth !== "0px" && !/, 0\\)$|transparent/.test(outlineColor);
  const outline = seen ? [outlineWidth, outlineStyle, outlineColor].join(" ") : "none";
  return `outline ${outline}; shadow ${boxShadow}`;
}
"""
_FOCUSED = "(e) => e === document.activeElement"
_UNCOVERED = """
(e) => {
  const box = e.getBoundingClientRect();
  const shown = e.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  if (!box.width || !box.height || !shown) return "not to be seen";
  const [x, y] = [box.left + box.width / 2, box.top + Math.min(box.height / 2, 40)];
  if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) return `outside of the window, at ${x}, ${y}`;
  const top = document.elementFromPoint(x, y);
  return !top || e.contains(top) || top.contains(e) ? "" : `under ${top.tagName} ${top.id} ${top.className}`;
}
"""
NO_RING = "outline none; shadow none"


def where(page: Page) -> str:
    """What has the focus, in words."""
    words: str = page.evaluate(_WHERE)
    return words


def tab_to(page: Page, target: str | Locator, limit: int = MOST, *, back: bool = False) -> Locator:
    """Presses Tab (`back`: Shift+Tab) until `target` has the focus, which must be seen there."""
    found = page.locator(target) if isinstance(target, str) else target
    expect(found).to_be_visible()
    expect(found).to_be_enabled()
    bare = NO_RING if found.evaluate(_FOCUSED) else found.evaluate(_RING)
    way = [where(page)]
    while not found.evaluate(_FOCUSED):
        assert len(way) <= limit, f"{target} is not reached by {limit} x Tab: {' > '.join(way)}"
        page.keyboard.press("Shift+Tab" if back else "Tab")
        way.append(where(page))
    seen_at(found, bare)
    return found


def seen_at(found: Locator, bare: str = NO_RING) -> None:
    """The focus is seen: a ring, in the window, under nothing."""
    ring = found.evaluate(_RING)
    assert ring != bare, f"{found}: with the focus it looks as without: {ring}"
    hidden = found.evaluate(_UNCOVERED)
    assert not hidden, f"{found} has the focus and is {hidden}"


def press(page: Page, target: str | Locator, key: str = "Enter") -> None:
    tab_to(page, target)
    page.keyboard.press(key)


def focus_is_on(page: Page, target: str) -> None:
    """What came or went put the focus there, without a Tab, and shows it."""
    found = page.locator(target)
    try:
        expect(found).to_be_focused()
    except AssertionError as error:
        raise AssertionError(f"{target} should have the focus; it is on {where(page)}") from error
    seen_at(found)


def focus_is_kept(page: Page, within: float = 3.0) -> str:
    """The focus is on something that is there, not on the page as a whole, and stays so. What it is on."""
    kept = (
        "() => document.activeElement && document.activeElement !== document.body"
        " && document.activeElement.checkVisibility()"
    )
    try:
        page.wait_for_function(kept, timeout=within * 1000)
        # What is drawn next, half a second later at most, may still take it away.
        page.wait_for_timeout(700)
        page.wait_for_function(kept, timeout=within * 1000)
    except TimeoutError as error:
        raise AssertionError(f"the focus is lost: it is on {where(page)}") from error
    return where(page)
