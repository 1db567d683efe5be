"""Decodes an untrusted picture and writes it anew; a process of its own: python -m hustings.studio.picture.

The bytes come on stdin; on stdout go two WebP pictures, each after its length (4 bytes, big endian): the
cover (at most 1600x900 and 200 kB) and a small one (400 wide). Nothing of the original's metadata is kept;
its orientation is applied. What is no usable picture: exit code 2 and one word on stderr (`REASONS`).

A decoder is a large piece of C that meets strangers' bytes. It runs here with bounds the kernel keeps on
processor time, memory and files, and whatever happens to it, the studio goes on.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
import warnings
from typing import Final, Literal

from PIL import Image, ImageCms, ImageOps

type Reason = Literal["not a picture", "too large", "too small", "broken"]
REASONS: Final[tuple[Reason, ...]] = ("not a picture", "too large", "too small", "broken")

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
MAX_PIXELS = 50_000_000
"""What the largest phones take; about 150 MB decoded."""
MAX_SIDE = 16_000
MIN_SIDE = 64
COVER = (1600, 900)
SMALL = (400, 400)
COVER_BYTES = 200 * 1000
_PAPER = (247, 244, 237)
"""What shows through a transparent picture."""
_QUALITIES = (84, 76, 68, 58, 46, 34)
_SECONDS = 15
_MEMORY = 1536 * 1024 * 1024
REFUSED = 2


class Unusable(Exception):
    """No picture that can be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def rewrite(data: bytes) -> tuple[bytes, bytes]:
    """The cover and the small picture, as WebP. Raises Unusable."""
    picture = _upright(_opened(data))
    cover = picture.copy()
    cover.thumbnail(COVER, Image.Resampling.LANCZOS)
    small = cover.copy()
    small.thumbnail(SMALL, Image.Resampling.LANCZOS)
    return _webp(cover, COVER_BYTES), _webp(small, COVER_BYTES // 4)


def _opened(data: bytes) -> Image.Image:
    """Decoded, in bounds that its header says before anything is decoded."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Unusable("too large") from None
    except Exception:  # noqa: BLE001  # decoders raise whatever they like
        raise Unusable("not a picture") from None
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Unusable("too large")
    if min(width, height) < MIN_SIDE:
        raise Unusable("too small")
    try:
        # A JPEG may be decoded at a half, a quarter or an eighth of its size, which is all we need.
        picture.draft("RGB", (COVER[0] * 2, COVER[1] * 2))
        picture.load()
    except MemoryError:
        raise Unusable("too large") from None
    except Exception:  # noqa: BLE001
        raise Unusable("broken") from None
    return picture


def _upright(picture: Image.Image) -> Image.Image:
    """As it is meant to be seen: turned, in sRGB, on paper; with no metadata left."""
    with contextlib.suppress(Exception):  # an orientation that cannot be read is none
        picture = ImageOps.exif_transpose(picture)
    profile = picture.info.get("icc_profile")
    if isinstance(profile, bytes) and picture.mode in ("RGB", "RGBA", "CMYK", "L"):
        with contextlib.suppress(Exception):  # a colour profile that makes no sense is none
            into = ImageCms.createProfile("sRGB")
            mode = "RGBA" if picture.mode == "RGBA" else "RGB"
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, given, into, outputMode=mode) or picture
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*_PAPER, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture.convert("RGB")


def _webp(picture: Image.Image, max_bytes: int) -> bytes:
    """The best quality, and failing that the largest size, that fits."""
    while True:
        for quality in _QUALITIES:
            out = io.BytesIO()
            picture.save(out, "WEBP", quality=quality, method=4, exif=b"", icc_profile=b"", xmp=b"")
            if out.tell() <= max_bytes:
                return out.getvalue()
        picture = picture.resize(
            (max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)), Image.Resampling.LANCZOS
        )


def main() -> int:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # the mixer comes first
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        pictures = rewrite(sys.stdin.buffer.read())
    except Unusable as error:
        sys.stderr.write(error.reason)
        return REFUSED
    except MemoryError:
        sys.stderr.write("too large")
        return REFUSED
    for picture in pictures:
        sys.stdout.buffer.write(len(picture).to_bytes(4, "big") + picture)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
