"""Units in which nothing sounds, for what is missing."""

from __future__ import annotations

from typing import Final

SILENT_PACKET: Final = b"\xf8\xff\xfe"
"""20 ms of digital silence, CELT full band (RFC 6716 sections 3.1 and 4.3)."""
SILENT_UNIT: Final = bytes.fromhex("01182007")
"""A raw_data_block of AAC-LC mono in which nothing sounds, as our encoder writes it for silence."""
