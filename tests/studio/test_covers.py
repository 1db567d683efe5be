"""Pictures from hosts: made anew, bounded; whatever is none is refused and leaves nothing behind."""

from __future__ import annotations

import asyncio
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from accounts_support import Browser, another, first_operator
from PIL import Image, ImageCms
from studio_support import House, running_studio

from hustings.bus.messages import RoomPublic
from hustings.errors import Refused
from hustings.studio import covers
from hustings.studio.covers import AT_ONCE, WAITING, Covers
from hustings.studio.picture import COVER, COVER_BYTES, MAX_SIDE

URL = "/api/rooms/town-hall/cover"
WHITE, RED, BLUE = (255, 255, 255), (200, 30, 30), (30, 30, 200)


def picture(kind: str = "PNG", size: tuple[int, int] = (640, 360), **more: Any) -> bytes:
    """Red at the top, blue at the bottom."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0], size[1] // 2))
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says it is so large, whatever it holds."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b"")
    )


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


async def put(house: House, data: bytes, kind: str = "image/png") -> Any:
    return await house.operator.put(URL, content=data, headers={"Content-Type": kind})


def kept(house: House) -> set[str]:
    folder = house.settings.data / "covers"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
async def test_a_picture_is_made_anew(tmp_path: Path, kind: str) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        answer = await put(house, picture(kind, (3200, 1800)), f"image/{kind.lower()}")
        assert answer.status_code == 200, answer.text
        name = answer.json()["details"]["cover"]
        assert kept(house) == {f"{name}.webp", f"{name}-small.webp"}
        assert answer.json()["cover"].startswith("/r/town-hall/cover.webp?v=")
        shown = await house.anyone.get(f"/covers/{name}.webp")
        assert shown.headers["content-type"] == "image/webp"
        assert "immutable" in shown.headers["cache-control"]
        image = opened(shown.content)
        assert (image.format, image.size) == ("WEBP", COVER)
        small = opened((await house.anyone.get(f"/covers/{name}-small.webp")).content)
        assert small.size == (400, 225)
        again = await put(house, picture(kind, (3200, 1800)), f"image/{kind.lower()}")
        assert again.json()["details"]["cover"] == name, "named by what is in it"


async def test_edges_get_it(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(at="2026-12-01T20:00:00+01:00")
        await put(house, picture())
        await asyncio.sleep(0)
        house.clock.advance(10)
        await house.app.state.publisher.publish_due()
        (*_, last) = [m for m in house.published(RoomPublic) if isinstance(m, RoomPublic) and m.slug]
        assert opened(last.pages["cover.webp"].body).size == (640, 360)
        assert last.pages["calendar.ics"].body.startswith(b"BEGIN:VCALENDAR")
        assert "qr.svg" not in last.pages, "this machine's address is not known"


async def test_noise_still_fits(tmp_path: Path) -> None:
    covers = Covers(tmp_path)
    out = io.BytesIO()
    Image.effect_noise((1600, 900), 120).convert("RGB").save(out, "PNG")
    name = await covers.take(out.getvalue())
    data = covers.read(name)
    assert data is not None
    assert 20_000 < len(data) <= COVER_BYTES


async def test_orientation_is_applied_and_nothing_else_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees to see it upright
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sent = picture("JPEG", (640, 360), exif=exif, icc_profile=profile, comment=b"a secret")
    assert b"taken at home" in sent
    covers = Covers(tmp_path)
    data = covers.read(await covers.take(sent))
    assert data is not None
    image = opened(data)
    assert image.size == (360, 640), "upright"
    right, left = image.convert("RGB").getpixel((340, 300)), image.convert("RGB").getpixel((20, 300))
    assert isinstance(right, tuple)
    assert isinstance(left, tuple)
    assert right[0] > 150, "red was at the top"
    assert left[2] > 150
    assert not image.getexif()
    for word in (b"EXIF", b"ICCP", b"XMP ", b"taken at home", b"a secret"):
        assert word not in data


async def test_transparency_lies_on_paper(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(out, "PNG")
    covers = Covers(tmp_path)
    image = opened(covers.read(await covers.take(out.getvalue())))
    assert image.mode == "RGB"
    pixel = image.getpixel((100, 100))
    assert isinstance(pixel, tuple)
    assert min(pixel[:3]) > 230


BOMB = png(20_000, 20_000, b"\0" * 50_000)
WHOLE_BOMB = png(8000, 7000, b"\0" * (8000 * 3 + 1) * 7000)
"""A sound picture of 56 million pixels in some 160 kB."""
LARGE = ("bomb", "whole bomb", "one line of pixels", "as large as a number")
POLYGLOT = picture("PNG") + b"<script>alert(1)</script>" + b"PK\x03\x04" + b"\0" * 100
REFUSED = {
    "nothing": (b"", 422),
    "text": (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 415),
    "html": (b"<!doctype html><script>alert(1)</script>", 415),
    "noise": (bytes(range(256)) * 64, 415),
    "gif": (picture("GIF"), 415),
    "tiff": (picture("TIFF"), 415),
    "pdf": (picture("PDF"), 415),
    "half a png": (picture("PNG", (2000, 2000))[:200], 422),
    "half a jpeg": (picture("JPEG", (2000, 2000), quality=95)[:9000], 422),
    "the beginning of a jpeg": (picture("JPEG")[:300], 415),
    "half a webp": (picture("WEBP")[:60], 415),
    "png header alone": (png(800, 600), 422),
    "too small": (picture("PNG", (63, 400)), 422),
    "bomb": (BOMB, 422),
    "whole bomb": (WHOLE_BOMB, 422),
    "one line of pixels": (png(MAX_SIDE + 1, 100), 422),
    "as large as a number": (png(2**31 - 1, 2**31 - 1), 422),
    "no pixels": (png(0, 0), 415),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_picture_is_refused(tmp_path: Path, what: str) -> None:
    data, status = REFUSED[what]
    with pytest.raises(Refused) as refused:
        await Covers(tmp_path / "covers").take(data)
    assert refused.value.status == status
    assert refused.value.where == "body"
    assert (refused.value.title == "The picture is too large") == (what in LARGE), refused.value.title
    assert not (tmp_path / "covers").exists()


async def test_a_refusal_is_a_problem_and_changes_nothing(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        before = (await put(house, picture())).json()["details"]["cover"]
        files = kept(house)
        for what in ("nothing", "html", "bomb"):
            answer = await put(house, REFUSED[what][0])
            assert answer.status_code == REFUSED[what][1]
            assert answer.headers["content-type"] == "application/problem+json"
        assert house.studio.room("town-hall").details.cover == before
        assert kept(house) == files


async def test_a_polyglot_is_only_a_picture_afterwards(tmp_path: Path) -> None:
    covers = Covers(tmp_path)
    data = covers.read(await covers.take(POLYGLOT))
    assert data is not None
    assert b"<script>" not in data
    assert b"PK\x03\x04" not in data


async def test_other_types_and_sizes(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for kind in ("image/svg+xml", "image/gif", "text/html", "application/octet-stream", ""):
            answer = await put(house, picture(), kind)
            assert answer.status_code == 415, kind
        large = b"\x89PNG" + b"\0" * (8 * 1024 * 1024)
        assert (await put(house, large)).status_code == 413
        # Only this route takes so much, and only by PUT.
        assert (await house.operator.post(URL, content=large)).status_code == 413
        assert (await house.operator.put("/api/rooms", content=b"\0" * 70_000)).status_code == 413


async def test_who_may(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        speaker, cohost = await house.invite("Ada"), await house.invite("Ben", role="cohost")
        headers = {"Content-Type": "image/png"}
        nobody = await house.anyone.put(URL, content=picture(), headers=headers)
        assert nobody.status_code == 401
        for ticket, status in ((speaker["ticket"], 403), ("t_wrong", 401), (cohost["ticket"], 200)):
            bearer = headers | {"Authorization": f"Bearer {ticket}"}
            answer = await house.anyone.put(URL, content=picture(), headers=bearer)
            assert answer.status_code == status, answer.text
            assert (await house.anyone.delete(URL, headers=bearer)).status_code == status
        operator = await first_operator(house)
        foreign: Browser = await another(house, operator, "Thomas")
        assert (await foreign.put(URL, content=picture(), headers=headers)).status_code == 403
        assert (await operator.put(URL, content=picture(), headers=headers)).status_code == 200
        cross = headers | {"Origin": "https://evil.example"}
        assert (await operator.put(URL, content=picture(), headers=cross)).status_code == 403
        unknown = await house.operator.put("/api/rooms/nowhere/cover", content=picture(), headers=headers)
        assert unknown.status_code == 404


async def test_removed_and_replaced_pictures_are_deleted(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.room("other")
        first = (await put(house, picture())).json()["details"]["cover"]
        await house.operator.put(
            "/api/rooms/other/cover", content=picture(), headers={"Content-Type": "image/png"}
        )
        second = (await put(house, picture(size=(800, 450)))).json()["details"]["cover"]
        assert kept(house) == {f"{n}{s}.webp" for n in (first, second) for s in ("", "-small")}
        for _ in range(2):
            answer = await house.operator.delete(URL)
            assert answer.status_code == 200
            assert answer.json()["cover"] is None
        assert kept(house) == {f"{first}.webp", f"{first}-small.webp"}, "the other room shows it still"
        assert (await house.anyone.get(f"/covers/{second}.webp")).status_code == 404


@pytest.mark.parametrize("first", ["cover", "words"])
async def test_a_picture_and_words_in_the_same_instant_are_both_there(tmp_path: Path, first: str) -> None:
    """Both have begun before either is written down."""
    async with running_studio(tmp_path) as house:
        await house.room(description="before")
        lock = house.studio._locks["town-hall"]

        async def words() -> Any:
            return await house.operator.patch("/api/rooms/town-hall", json={"description": "after"})

        async with lock:
            begun = []
            for count, change in enumerate(("cover", "words") if first == "cover" else ("words", "cover"), 1):
                begun.append(asyncio.create_task(put(house, picture()) if change == "cover" else words()))
                async with asyncio.timeout(60):
                    while len(lock._waiters or ()) < count:
                        await asyncio.sleep(0.01)
        for answer in await asyncio.gather(*begun):
            assert answer.status_code == 200, answer.text
        details = house.studio.room("town-hall").details
        assert details.description == "after"
        assert details.cover
        assert kept(house) == {f"{details.cover}.webp", f"{details.cover}-small.webp"}


@pytest.mark.parametrize("name", ["..%2f..%2fhustings.db", "x" * 32, "0" * 31, "0" * 32, "-small"])
async def test_no_other_file_is_served(tmp_path: Path, name: str) -> None:
    async with running_studio(tmp_path) as house:
        assert (await house.anyone.get(f"/covers/{name}.webp")).status_code == 404


async def test_a_decoder_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "DECODE_SECONDS", 0.0)
    with pytest.raises(Refused) as refused:
        await Covers(tmp_path).take(picture())
    assert refused.value.status == 422


async def test_more_than_can_wait_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = asyncio.Event()

    async def slow(_data: bytes) -> tuple[bytes, bytes]:
        await gate.wait()
        return picture("WEBP"), picture("WEBP")

    monkeypatch.setattr(covers, "_rewritten", slow)
    all_covers = Covers(tmp_path)
    waiting = [asyncio.create_task(all_covers.take(b"x")) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await all_covers.take(b"x")
    assert refused.value.status == 503
    gate.set()
    assert len(set(await asyncio.gather(*waiting))) == 1


@pytest.mark.parametrize(
    "said", [b"", b"\0\0\0\xff", b"\0\0\0\4RIFF", struct.pack(">I", 2**31) + b"RIFF____WEBP" * 9]
)
def test_what_a_decoder_says_is_checked(said: bytes) -> None:
    with pytest.raises(Refused):
        covers._two(said)


def test_the_decoder_has_bounds_of_the_kernel() -> None:
    """It may not write a file, whatever it is made to do."""
    code = (
        "import hustings.studio.picture as p, sys, io\n"
        "p.rewrite = lambda data: open('/tmp/hustings-cover-escape', 'w').write('x' * 10)\n"
        "sys.exit(p.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"x", capture_output=True, timeout=30)
    assert done.returncode != 0
    path = Path("/tmp/hustings-cover-escape")
    assert not path.exists() or path.stat().st_size == 0
    path.unlink(missing_ok=True)
