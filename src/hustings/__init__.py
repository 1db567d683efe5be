"""Hustings: hold a live conversation in front of any number of people, on your own server."""

__version__ = "0.1.0"
