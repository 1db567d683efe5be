"""`hustings doctor`: what is wrong with this machine and these settings, and the one thing to do."""
