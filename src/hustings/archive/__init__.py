"""What was recorded: reading its files, the index made of them, replay. Files only: no bus, no role."""
