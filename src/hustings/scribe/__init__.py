"""The role that does everything slow: today what listeners download, made of recordings."""
