"""HTTP at the door: what is answered to whom, and every bound."""

from __future__ import annotations

import gzip

import pytest
from edge_memory import CONTINUE, Client, House

from hustings.edge.protocol import BODY_CAP, HEAD_CAP, PIPELINE_CAP


def problem(client: Client, status: int) -> None:
    """The last answer is a problem document with a sentence, and the connection ends."""
    *_, answer = client.answers()
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    content = answer.json()
    assert content["status"] == status
    assert content["title"]
    assert content["detail"].endswith(".")
    assert client.is_closed() or client.transport.eof_sent


async def test_requests_on_one_connection_are_answered_in_order(house: House) -> None:
    await house.room("open")
    client = house.client()
    for _ in range(3):
        assert client.ask("/healthz").status == 200
        assert client.ask("/r/hall/state.json").json() == {"status": "open"}
    assert not client.is_closed()


async def test_pipelined_requests_are_answered_in_order(house: House) -> None:
    await house.room("open")
    client = house.client()
    one = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
    client.send(one % b"/healthz" + one % b"/r/hall/state.json" + one % b"/nothing")
    assert [answer.status for answer in client.answers()] == [200, 200, 404]


async def test_a_request_in_single_bytes(house: House) -> None:
    await house.room("open")
    client = house.client()
    for byte in b"GET /r/hall/state.json HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n":
        client.send(bytes([byte]))
    (answer,) = client.answers()
    assert answer.json() == {"status": "open"}


@pytest.mark.parametrize(
    ("line", "closes"),
    [("Connection: close", True), ("Connection: keep-alive", False), ("Accept: */*", False)],
)
async def test_keep_alive(house: House, line: str, closes: bool) -> None:
    client = house.client()
    answer = client.ask("/nothing", line)
    assert client.is_closed() is closes
    assert (answer.headers.get("connection") == "close") is closes


async def test_http_1_0_closes_unless_asked_not_to(house: House) -> None:
    client = house.client()
    assert client.ask("/nothing", version="HTTP/1.0").headers["connection"] == "close"
    assert client.is_closed()
    client = house.client()
    answer = client.ask("/nothing", "Connection: keep-alive", version="HTTP/1.0")
    assert answer.headers["connection"] == "keep-alive"
    assert not client.is_closed()


async def test_head_has_the_headers_of_get_and_no_body(house: House) -> None:
    await house.room("open")
    client = house.client()
    for path in ("/r/hall", "/static/js/player.js", "/r/hall/state.json", "/nothing"):
        wanted = client.ask(path)
        client.get(path, method="HEAD")
        data = bytes(client.transport.taken)
        (head,) = client.answers(heads=True)
        assert data.endswith(b"\r\n\r\n")
        assert head.status == wanted.status
        assert head.headers == wanted.headers


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_is_a_400(house: House, data: bytes) -> None:
    client = house.client()
    client.send(data)
    problem(client, 400)
    assert house.edge.metrics.cut["protocol"] == 1


async def test_header_cap_in_one_piece_and_in_many(house: House) -> None:
    client = house.client()
    client.get("/", "X-Long: " + "a" * HEAD_CAP)
    problem(client, 431)
    client = house.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    for _ in range(40):
        client.send(b"X-More: " + b"b" * 1000 + b"\r\n")
    problem(client, 431)
    client = house.client()
    client.send(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(40):
        client.send(b"c" * 1000)
    problem(client, 431)


async def test_target_cap(house: House) -> None:
    client = house.client()
    client.get("/" + "a" * 5000)
    problem(client, 414)


async def test_body_cap(house: House) -> None:
    client = house.client()
    client.send(b"POST /r/hall/hand HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(BODY_CAP // 1000 + 2):
        client.send(b"d" * 1000)
    problem(client, 413)
    client = house.client()
    client.send(b"POST /r/hall/hand HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(BODY_CAP // 1000 + 2):
        client.send(b"3e8\r\n" + b"e" * 1000 + b"\r\n")
    problem(client, 413)


async def test_a_small_body_is_read_and_the_connection_goes_on(house: House) -> None:
    client = house.client()
    client.send(b"POST /r/hall/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
    (answer,) = client.answers()
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.ask("/nothing").status == 404


EXPECTING = ("Expect: 100-continue", "Content-Length: 5")


async def test_who_waits_for_a_word_before_the_body_gets_it(house: House) -> None:
    client = house.client()
    client.get("/r/hall/nothing", *EXPECTING, method="POST")
    assert client.transport.taken == CONTINUE
    client.send(b"hello")
    assert bytes(client.transport.taken).startswith(CONTINUE + b"HTTP/1.1 404")
    client.answers()
    assert client.ask("/nothing").status == 404


@pytest.mark.parametrize("line", ["Content-Length: 0", "X-No: body"])
async def test_no_word_without_a_body(house: House, line: str) -> None:
    client = house.client()
    client.get("/r/hall/nothing", "Expect: 100-continue", line, method="POST")
    assert bytes(client.transport.taken).startswith(b"HTTP/1.1 404")


async def test_http_1_0_gets_no_word(house: House) -> None:
    client = house.client()
    client.get("/r/hall/nothing", *EXPECTING, method="POST", version="HTTP/1.0")
    assert not client.transport.taken
    client.send(b"hello")
    assert client.answers()[0].status == 404


async def test_no_word_for_what_will_not_be_taken(house: House) -> None:
    client = house.client()
    client.get("/r/hall/hand", "Expect: 100-continue", f"Content-Length: {BODY_CAP + 1}", method="POST")
    problem(client, 413)
    client = house.client()
    client.get("/r/hall/hand", "Expect: tea", "Content-Length: 5", method="POST")
    problem(client, 417)


async def test_no_word_in_front_of_an_earlier_reply(house: House) -> None:
    await house.live(3)
    client = house.client()
    client.get("/r/hall/hls/opus.m3u8?_HLS_msn=0&_HLS_part=1")
    client.get("/r/hall/hand", *EXPECTING, method="POST")
    assert CONTINUE not in client.transport.taken
    assert client.is_closed() or client.transport.eof_sent


async def test_a_slow_body_gets_408(house: House) -> None:
    client = house.client()
    client.get("/r/hall/hand", "Content-Length: 5", method="POST")
    client.send(b"he")
    house.step(15)
    problem(client, 408)


async def test_a_body_of_tiny_chunks_has_its_bound(house: House) -> None:
    client = house.client()
    client.send(b"POST /r/hall/hand HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2000):
        client.send(b"1;extension=" + b"e" * 50 + b"\r\nx\r\n")
        if client.transport.eof_sent or client.is_closed():
            break
    problem(client, 413)


async def test_too_many_requests_ahead(house: House) -> None:
    await house.live(3)
    client = house.client()
    # The first waits for the playlist to go on, so those behind it have to wait too.
    client.get("/r/hall/hls/opus.m3u8?_HLS_msn=0&_HLS_part=1")
    for _ in range(PIPELINE_CAP):
        client.get("/healthz")
    assert not client.answers()
    client.get("/healthz")
    assert client.is_closed() or client.transport.eof_sent
    assert house.edge.metrics.cut["pipelining"] == 1
    client = house.client()
    client.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)
    assert len(client.answers()) < 100
    assert client.is_closed() or client.transport.eof_sent


async def test_requests_behind_a_waiting_one_are_answered_after_it(house: House) -> None:
    await house.live(3)
    client = house.client()
    client.get("/r/hall/hls/opus.m3u8?_HLS_msn=0&_HLS_part=1")
    client.get("/r/hall/state.json")
    assert not client.answers()
    house.produce(3)
    first, second = client.answers()
    assert first.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert second.headers["content-type"] == "application/json"


async def test_slow_header_gets_408(house: House) -> None:
    client = house.client()
    house.step(5)
    client.send(b"GET / HT")
    house.step(8)
    problem(client, 408)
    assert house.edge.metrics.cut["header_deadline"] == 1
    house.step(8)
    assert client.is_closed()


async def test_trickled_header_gets_408_all_the_same(house: House) -> None:
    client = house.client()
    client.get("/nothing")
    client.answers()
    client.send(b"GET / HTTP/1.1\r\n")
    for _ in range(20):
        house.step(1)
        if not client.transport.eof_sent:
            client.send(b"X: y\r\n")
    problem(client, 408)


async def test_idle_connections_are_closed(house: House) -> None:
    silent, idle = house.client(), house.client()
    idle.ask("/nothing")
    house.step(16)
    assert silent.is_closed()
    assert not silent.transport.taken
    assert not idle.is_closed()
    house.step(22)
    assert idle.is_closed()
    assert house.edge.metrics.cut["idle"] == 2
    assert house.edge.gate.inside == 0


async def test_a_client_that_does_not_read_its_reply_is_cut(house: House, web: object) -> None:
    client = house.client(room=10)
    client.get("/static/js/player.js")
    house.step(11)
    assert client.is_closed()
    assert house.edge.metrics.cut["slow_reader"] == 1


async def test_a_client_that_reads_slowly_is_let_be_for_a_minute(house: House, web: object) -> None:
    client = house.client(room=10)
    client.get("/static/js/player.js")
    for _ in range(50):
        client.transport.take(10)
        house.step(1)
    assert not client.is_closed()
    for _ in range(15):
        client.transport.take(10)
        house.step(1)
    assert client.is_closed()
    assert house.edge.metrics.cut["slow_reader"] == 1


async def test_a_client_that_asks_without_reading_is_not_read_on(house: House) -> None:
    await house.live(40)
    client = house.client(room=10)
    for _ in range(4):
        client.get("/r/hall/hls/opus/0.m4s")
    assert [client.transport.reading] == [False]
    client.transport.take()
    assert client.transport.reading
    assert len(client.answers()) == 4


async def test_upgrade_is_ignored_and_the_connection_ends(house: House) -> None:
    client = house.client()
    client.get("/healthz", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x")
    (answer,) = client.answers()
    assert answer.status == 503
    assert client.is_closed() or client.transport.eof_sent


async def test_gzip_where_it_is_wanted(house: House) -> None:
    client = house.client()
    plain = client.ask("/static/js/player.js")
    packed = client.ask("/static/js/player.js", "Accept-Encoding: gzip, br")
    refused = client.ask("/static/js/player.js", "Accept-Encoding: gzip;q=0, *;q=0")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert plain.headers["vary"] == "Accept-Encoding"


async def test_conditional_get(house: House) -> None:
    client = house.client()
    for accept in ("Accept-Encoding: gzip", "Accept-Encoding: identity"):
        first = client.ask("/static/js/player.js", accept)
        etag = first.headers["etag"]
        for field in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            again = client.ask("/static/js/player.js", accept, f"If-None-Match: {field}")
            assert again.status == 304
            assert again.headers["etag"] == etag
        assert client.ask("/static/js/player.js", accept, 'If-None-Match: "x"').status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
async def test_methods_that_nothing_understands(house: House, method: str) -> None:
    await house.room("open")
    answer = house.client().ask("/r/hall/state.json", method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_cors_preflight(house: House) -> None:
    answer = house.client().ask("/r/hall/live", "Origin: https://other.example", method="OPTIONS")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_handler_that_fails_is_a_500(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(house.edge, "_health", fail)
    client = house.client()
    client.get("/healthz")
    problem(client, 500)
