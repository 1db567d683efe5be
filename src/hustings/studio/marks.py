"""Pages that are rendered once for all recordings, or all clips, of a room: what differs are marked places
that the edge fills (edge/filled.py), so that a room may have any number of them.

A mark is made of control characters, which no text from people can hold (text.py cleans them away).
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup


def mark(name: str, otherwise: str = "") -> Markup:
    """Where the edge puts `name`, or `otherwise` if there is nothing to put."""
    return Markup("\x02{}|{}\x03").format(name, otherwise) if otherwise else Markup(f"\x02{name}\x03")  # noqa: S704


def each(name: str, caller: Callable[[], str]) -> Markup:
    """`{% call each("tracks") %}...{% endcall %}`: a piece of the page for each row of `name`; its places
    are the row's."""
    return Markup("\x04{}\x05{}\x06").format(name, Markup(caller()))  # noqa: S704 (Jinja has escaped it)
