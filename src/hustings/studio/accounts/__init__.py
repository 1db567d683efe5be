"""Accounts: who conducts rooms. Set-up, passkeys, passwords, sessions, API tokens, and what guards them."""
