"""Rooms, broadcasts, invitations, seats, requests to speak: what may happen when. Pure.

    events = decide(room, command)       # or RoomError, with the state in it
    room = apply(room, events)

`table` holds every transition, `model` the state, `commands` and `events` what goes in and out. `decide`
is split by subject (`decide_people`, `decide_stage`) over a `draft` of the room; `queue` orders requests.
"""
