"""Webhooks: room events sent to others' servers, signed, until they arrive (docs/webhooks.md)."""
