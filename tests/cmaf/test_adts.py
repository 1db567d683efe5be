from __future__ import annotations

import pytest

from hustings.cmaf.adts import adts_frame
from hustings.cmaf.init_segment import AAC_LC_MONO_48K
from hustings.errors import Corrupt


def test_the_header() -> None:
    frame = adts_frame(b"x" * 200, AAC_LC_MONO_48K)
    assert frame[:7].hex() == "fff14c4019fffc"
    assert frame[7:] == b"x" * 200
    assert (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5 == len(frame)


@pytest.mark.parametrize(
    ("unit", "config"),
    [(b"x" * 8_185, AAC_LC_MONO_48K), (b"x", b"\x11"), (b"x", b"\x2b\x88"), (b"x", b"\x17\x88")],
)
def test_what_adts_cannot_say(unit: bytes, config: bytes) -> None:
    with pytest.raises(Corrupt):
        adts_frame(unit, config)
