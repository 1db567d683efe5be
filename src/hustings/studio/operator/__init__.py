"""How the server is, for whoever runs it: a page, and the same as JSON."""
