"""Rooms, broadcasts, invitations and seats: what may happen when. Pure.

    events = decide(room, command)       # or RoomError, with the state in it
    room = apply(room, events)

`table` holds every transition, `model` the state, `commands` and `events` what goes in and out.
"""
