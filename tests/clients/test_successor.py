"""A session made beside a silent one: tried while there is need, given up when there is none any more."""

from __future__ import annotations

import threading
from typing import Any

from hustings.audio.expected_loss import ExpectedLoss
from hustings.clients.line import Line
from hustings.clients.rtc import NoPath
from hustings.clients.script import EXPECTED_LOSS, Script, Steer, encode
from hustings.clients.successor import Successor, local_address
from hustings.errors import HustingsError, Refused
from hustings.stage.webrtc.peer import Far


class Server:
    """Opens as told; each try waits until it may go on."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.tries = 0
        self.go = threading.Event()
        self.go.set()

    def open(self) -> Any:
        self.tries += 1
        assert self.go.wait(30)
        answer = self.answers.pop(0)
        if isinstance(answer, HustingsError):
            raise answer
        return answer


class Session:
    closed = False

    def close(self) -> None:
        self.closed = True


def settle(successor: Successor, now: float, *, needed: bool = True) -> object:
    """Looks until the try that runs is over."""
    successor.look(needed, now)
    thread = successor._thread
    if thread is not None:
        thread.join(30)
    return successor.look(needed, now)


def test_it_is_tried_until_it_stands() -> None:
    session = Session()
    server = Server(NoPath("dark"), NoPath("dark"), session)
    successor = Successor(server.open)
    assert settle(successor, 1.0, needed=False) is None
    assert server.tries == 0
    assert settle(successor, 1.0) is None
    assert settle(successor, 1.0) is None, "not before the pause is over"
    assert server.tries == 1
    assert settle(successor, 2.0) is None
    assert settle(successor, 3.0) is session
    assert server.tries == 3


def test_the_old_one_is_heard_again_and_nothing_more_is_tried() -> None:
    server = Server(NoPath("dark"), Session())
    successor = Successor(server.open)
    settle(successor, 1.0)
    for second in range(2, 20):
        settle(successor, float(second), needed=False)
    assert server.tries == 1


def test_a_server_that_says_no_is_there_and_is_not_asked_like_this_again() -> None:
    server = Server(Refused(404, "No seat to keep"))
    successor = Successor(server.open)
    settle(successor, 1.0)
    assert successor.refused
    settle(successor, 60.0)
    assert server.tries == 1


def test_one_that_comes_too_late_is_closed() -> None:
    session = Session()
    server = Server(session)
    server.go.clear()
    successor = Successor(server.open)
    successor.look(True, 1.0)
    thread = successor._thread
    assert thread is not None
    assert successor.wait(threading.Event(), patient=False) is None
    server.go.set()
    thread.join(30)
    assert session.closed


def test_the_way_out_is_known_without_sending_anything() -> None:
    assert local_address("http://127.0.0.1:8001/whip/x") == "127.0.0.1"
    assert local_address("http://[::1]:8001/") in ("::1", "")
    assert local_address("https://a-name.example/") == "", "names are not looked up"


def test_a_script_is_encoded_as_the_line_says() -> None:
    import numpy as np

    dice = np.random.default_rng(1)
    frames = [(0.1 * dice.standard_normal(960)).astype(np.float32) for _ in range(300)]
    steer = Steer()
    script = Script(encode(frames, steer=steer), steer=steer)
    line = Line(steer)

    def size(first: int) -> float:
        spoken = [script.frame(number) for number in range(first, first + 100)]
        return sum(len(one.packet) for one in spoken if one) * 4.0

    full = size(0)
    line.take(None)
    for second in range(10):
        line.take(Far(float(second), 0.3, 0.05))
    line.take(Far(9.0, 0.0, 0.05))  # the same report again
    assert steer.bitrate == 24_000
    assert steer.expected_loss == ExpectedLoss.STEPS[-1]
    assert size(100) < 0.6 * full
    for second in range(10, 400):
        line.take(Far(float(second), 0.0, 0.05))
    assert (steer.bitrate, steer.expected_loss) == (64_000, EXPECTED_LOSS)
