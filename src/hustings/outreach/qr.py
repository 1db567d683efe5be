"""QR codes (ISO/IEC 18004) as SVG: dark on light whatever the page's colours, since cameras expect that."""

from __future__ import annotations

import io
from xml.sax.saxutils import escape

MAX_TEXT = 512
"""Characters; more is no link, and a code nobody's camera reads from across a room."""
_QUIET = 4
"""Modules of light around the code (ISO/IEC 18004 section 5.3.8 wants four)."""


def svg(text: str, title: str) -> bytes:
    """`text` as a picture that scales, with `title` for those who do not see it. Raises ValueError."""
    import segno  # here: only who draws one waits for it

    if not 0 < len(text) <= MAX_TEXT:
        raise ValueError(f"a QR code here holds 1 to {MAX_TEXT} characters")
    try:
        # M: a seventh may be covered or torn. A link has no kanji and no micro code.
        code = segno.make(text, error="m", micro=False, boost_error=False)
    except segno.DataOverflowError as error:
        raise ValueError("too much for a QR code") from error
    width, height = code.symbol_size(border=_QUIET)
    path = io.BytesIO()
    code.save(
        path,
        kind="svg",
        border=_QUIET,
        xmldecl=False,
        svgns=False,
        omitsize=True,
        nl=False,
        dark="#000",
        light="#fff",
        svgclass=None,
        lineclass=None,
    )
    inside = path.getvalue().decode("utf-8")
    inside = inside[inside.index(">") + 1 : inside.rindex("</svg>")]
    name = escape("".join(char for char in title if char.isprintable()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'shape-rendering="crispEdges"><title>{name}</title>{inside}</svg>\n'
    ).encode()
