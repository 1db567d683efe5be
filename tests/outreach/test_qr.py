"""QR codes: the picture holds what segno encodes, with its quiet zone and a name."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import segno

from hustings.outreach.qr import MAX_TEXT, svg

LINK = "https://studio.example/s/town-hall#l_0123456789abcdefghijklmnopqrstuv"
SVG = "{http://www.w3.org/2000/svg}"


def modules(data: bytes) -> tuple[int, set[tuple[int, int]]]:
    """Side and dark modules (row, column), read from the picture as a browser would draw it."""
    root = ET.fromstring(data)
    side = int(root.attrib["viewBox"].split()[2])
    background, code = root.findall(f"{SVG}path")
    assert background.attrib["fill"] == "#fff"
    assert background.attrib["d"] == f"M0 0h{side}v{side}h-{side}z"
    assert code.attrib["stroke"] == "#000"
    dark: set[tuple[int, int]] = set()
    x, y = 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-0-9. ]+)", code.attrib["d"]):
        values = [float(value) for value in numbers.split()]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            dark |= {(int(y), int(x) + step) for step in range(int(values[0]))}
            x += values[0]
    return side, dark


def test_every_module_is_where_it_belongs() -> None:
    side, dark = modules(svg(LINK, "Scan me"))
    code = segno.make(LINK, error="m", micro=False, boost_error=False)
    wanted = {
        (row + 4, column + 4)
        for row, line in enumerate(code.matrix)
        for column, value in enumerate(line)
        if value
    }
    assert dark == wanted
    assert side == code.symbol_size()[0]
    assert min(min(row, column) for row, column in dark) == 4, "the quiet zone"
    assert max(max(row, column) for row, column in dark) == side - 5


def test_it_has_a_name_and_no_script() -> None:
    data = svg(LINK, '</title><script>alert(1)</script> & "x"\x00')
    root = ET.fromstring(data)
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{SVG}title") == '</title><script>alert(1)</script> & "x"'
    assert {child.tag for child in root} == {f"{SVG}title", f"{SVG}path"}


@pytest.mark.parametrize("text", ["", "x" * (MAX_TEXT + 1), "ä" * (MAX_TEXT + 1)])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        svg(text, "t")


def test_the_longest_fits() -> None:
    assert modules(svg("ä" * MAX_TEXT, "t"))[0] < 140
