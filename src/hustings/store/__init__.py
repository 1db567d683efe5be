"""The database: rooms, broadcasts, invitations, seats and API tokens. Touched by studio and scribe only.

What has been acknowledged is committed; SQLite (WAL, synchronous=FULL) or PostgreSQL by URL.
"""
