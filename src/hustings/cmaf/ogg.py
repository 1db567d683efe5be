"""Ogg/Opus as an endless plain stream (RFC 7845 on RFC 3533): pages rendered once, sent to everybody."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

_PAGE = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_BEGINS, _ENDS = 0x02, 0x04
_MAX_SEGMENTS = 255

JOIN_PRE_SKIP = 3_840
"""What a stream cut out of a longer one should skip: 80 ms, until the decoder has converged
(RFC 7845 section 4.6)."""


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_crc(data: bytes) -> int:
    """The page checksum of RFC 3533 section 6.

    It is zlib's CRC-32 on bit-reversed bytes, without the inversion at both ends; so zlib's C loop
    does the work: 1.6 kB in some 3 us.
    """
    # zlib inverts its start value and its result; start ~0 and invert again to undo both.
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED))


def _lacing(packets: Sequence[bytes]) -> bytes:
    """Segment table, RFC 3533 section 6: 255 for every full piece, then the rest of each packet."""
    table = bytearray()
    for packet in packets:
        full, rest = divmod(len(packet), 255)
        table += b"\xff" * full
        table.append(rest)
    if len(table) > _MAX_SEGMENTS:
        raise ValueError(f"{len(packets)} packets do not fit into one Ogg page")
    return bytes(table)


def ogg_page(packets: Sequence[bytes], *, granule: int, serial: int, number: int, flags: int = 0) -> bytes:
    """One page holding whole packets. `granule`: position at the end of the last one."""
    table = _lacing(packets)
    header = _PAGE.pack(b"OggS", 0, flags, granule, serial, number & 0xFFFF_FFFF, 0, len(table))
    page = bytearray(b"".join((header, table, *packets)))
    page[_CRC_AT : _CRC_AT + 4] = ogg_crc(bytes(page)).to_bytes(4, "little")
    return bytes(page)


class OggOpusWriter:
    """Pages of one mono Opus program that any number of listeners share.

    A listener gets `headers(number)` before the first shared page `number` they are sent. Headers are
    pages 0 and 1 for everybody: a libogg decoder takes any other beginning for a hole before the first
    header and gives up (opusinfo does). So who joins in mid-stream sees one jump of page numbers after
    the headers, as with every Icecast server, and decoders pass over it.
    """

    def __init__(
        self,
        serial: int,
        *,
        pre_skip: int = 312,
        title: str = "",
        comments: Mapping[str, str] | None = None,
    ) -> None:
        self.serial = serial & 0xFFFF_FFFF
        self.pre_skip = pre_skip
        self._comments = dict(comments or {})
        if title:
            self._comments["TITLE"] = title

    def headers(self, number: int = 2, *, joining: bool | None = None) -> bytes:
        """OpusHead and OpusTags, each on its page (RFC 7845 section 3), before shared page `number` >= 2.

        `joining`: the listener enters in mid-stream, so their decoder has to converge first (when not
        given: unless `number` is 2).
        """
        if joining is None:
            joining = number != 2
        pre_skip = max(JOIN_PRE_SKIP, self.pre_skip) if joining else self.pre_skip
        # RFC 7845 5.1: version 1, channels, pre-skip, input sample rate, output gain, mapping family 0.
        head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, pre_skip, 48_000, 0, 0)
        first = ogg_page([head], granule=0, serial=self.serial, number=0, flags=_BEGINS)
        return first + ogg_page([self._tags()], granule=0, serial=self.serial, number=1)

    def _tags(self) -> bytes:
        """RFC 7845 section 5.2. Cut to what one page holds: titles here are lines, not books."""
        fields = [f"{key}={value}".encode()[:8_000] for key, value in self._comments.items()][:6]
        vendor = b"Hustings"
        parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(fields))]
        for field in fields:
            parts += [struct.pack("<I", len(field)), field]
        return b"OpusTags" + b"".join(parts)

    def page(
        self, packets: Sequence[bytes], *, media_time: int, samples: int, number: int, last: bool = False
    ) -> bytes:
        """The page of one chunk.

        `media_time`: decode time of the first packet; `samples`: how many the packets hold; `number`:
        page number, growing by one from page to page (chunk number + 2 does). The granule position
        counts all samples decoded up to the end of the page, pre-skip included (RFC 7845 section 4).
        """
        return ogg_page(
            packets,
            granule=media_time + samples,
            serial=self.serial,
            number=number,
            flags=_ENDS if last else 0,
        )
