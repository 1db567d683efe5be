"""Gathering: curves, spans of trouble, bounds; all in fake time."""

from __future__ import annotations

from hustings.bus.health_messages import NodeHealth, RoleHealth
from hustings.bus.messages import RoleMetrics
from hustings.clock import FakeClock
from hustings.studio.operator.findings import Recording
from hustings.studio.operator.health import MAX_ROLES, MAX_SPANS, POINT, POINTS, Curves, Health


class House:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.connected = True
        self.recordings: list[Recording] = []
        self.health = Health(self.clock, lambda: self.connected, lambda: self.recordings)

    def say(self, text: str, role: str = "edge-0") -> None:
        self.health.role_said(RoleMetrics(role=role, pid=1, text=text))

    def node(self, name: str = "n", up: bool = True, cpu: float = 0.1) -> None:
        role = RoleHealth(name="stage", up=up, running=up, since=1.0, cpu=cpu, memory=1000)
        self.health.node_said(
            NodeHealth(node=name, wall_clock=self.clock.wall(), started=1.0, roles=[role], events=[])
        )

    def look(self, times: int = 1, text: str = "", up: bool = True) -> None:
        for _ in range(times):
            self.clock.advance(5.0)
            if text:
                self.say(text)
            self.node(up=up)
            self.health.look()


def test_a_trouble_is_one_span_as_long_as_it_lasts() -> None:
    house = House()
    house.look(3, 'hustings_edge_level 3\nhustings_edge_lobby_waiting{door="join"} 5\n')
    house.look(1, 'hustings_edge_level 3\nhustings_edge_lobby_waiting{door="join"} 90\n')
    (span,) = house.health.spans()
    assert (span.finding.key, span.going, span.until - span.since) == ("newcomers_wait", True, 10.0)
    assert span.finding.number == 90, "the worst of it"
    house.look(1, "hustings_edge_level 0\n")
    (span,) = house.health.spans()
    assert (span.going, span.until - span.since) == (False, 10.0)
    house.look(1, "hustings_edge_level 3\n")
    assert len(house.health.spans()) == 2, "once more is another one"
    house.look(1, "hustings_edge_level 0\n")
    house.clock.advance(3601)
    assert house.health.spans() == []


def test_who_says_nothing_for_ten_seconds_is_not_of_now() -> None:
    house = House()
    house.look(2, "hustings_edge_places_free 7\n")
    assert house.health.figures.places_free == 7
    house.clock.advance(11)
    house.health.look()
    later = house.health.figures
    assert later.places_free is None
    assert house.health.unheard() == 11.0
    assert [node.node for node in house.health.nodes] == ["n"], "what was known last is still shown"


def test_without_a_bus_that_is_all_there_is_to_say() -> None:
    house = House()
    house.look(2, up=False)
    assert [each.key for each in house.health.findings()] == ["role_away"]
    house.connected = False
    house.look(1, up=False)
    assert [each.key for each in house.health.findings()] == ["bus_away"]
    assert [(span.finding.key, span.going) for span in house.health.spans()] == [
        ("bus_away", True),
        ("role_away", False),
    ]


def test_a_point_holds_the_largest_of_its_half_minute() -> None:
    curves = Curves()
    for second in range(0, 95, 5):
        curves.add(float(second), late=0.5 if second == 40 else 0.1, level=None)
    assert list(curves.points["late"]) == [0.1, 0.5, 0.1, 0.1]
    assert list(curves.points["level"]) == [None, None, None, None]
    curves.add(90.0 + 3 * POINT, late=0.2)
    assert list(curves.points["late"]) == [0.1, 0.5, 0.1, 0.1, None, None, 0.2]
    curves.add(90.0 + 3 * POINT, new=1.0)
    assert list(curves.points["new"]) == [None] * 6 + [1.0], "curves end together"


def test_everything_is_bounded() -> None:
    house = House()
    for index in range(MAX_ROLES + 50):
        house.say("hustings_edge_places_free 1\n", role=f"edge-{index}")
    for index in range(50):
        house.node(f"node-{index}")
    house.recordings = [Recording(f"room {index}", "failing") for index in range(MAX_SPANS + 100)]
    house.health.look()
    house.health.look()
    assert house.health.figures.places_free == MAX_ROLES
    assert len(house.health.nodes) == 8
    assert len(house.health.spans()) == MAX_SPANS
    for _ in range(2000):
        house.look(1, "hustings_edge_level 1\n")
    assert all(len(curve) <= POINTS for curve in house.health.curves.points.values())
    assert max(len(curve) for curve in house.health.curves.points.values()) == POINTS


def test_curves_of_roles_that_are_gone_go_after_an_hour() -> None:
    curves = Curves()
    curves.add(0.0, late=0.0, **{"cpu edge-9": 0.5})
    for step in range(1, POINTS + 2):
        curves.add(step * POINT, late=0.0)
        curves.forget(["late"])
        assert ("cpu edge-9" in curves.points) is (step < POINTS)
