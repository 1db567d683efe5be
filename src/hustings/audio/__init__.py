"""Sound, pure: bytes and arrays in, bytes and arrays out. No clock, no socket, no thread."""
