"""Tables of accounts: who conducts rooms, how they prove it, and what they are logged in with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, LargeBinary, String, Table

from hustings.store.tables import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    # The name as it is compared: case and width folded, so that no two accounts look alike at log-in.
    Column("name_key", String(400), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(200), nullable=False),  # Argon2id with its parameters; "" without one
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("credential_id", String(1400), nullable=False, unique=True),  # base64url of at most 1023 bytes
    Column("public_key", LargeBinary, nullable=False),  # COSE key
    Column("sign_count", BigInteger, nullable=False),
    Column("rp_id", String(255), nullable=False),  # the host name it was made for
    Column("name", String(200), nullable=False),
    Column("transports", String(200), nullable=False),  # hints of the browser, commas between
    Column("created_at", Double, nullable=False),
    Column("used_at", Double),
    Index(None, "account_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),  # the cookie's value itself is nowhere
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("browser", String(80), nullable=False),  # "Chromium on Linux"; no address, no version
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "account_id"),
)

account_links = Table(
    "account_links",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # "invite": a new account; "reset": back into one
    Column("account_id", ForeignKey("accounts.id")),  # of a reset
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
)
