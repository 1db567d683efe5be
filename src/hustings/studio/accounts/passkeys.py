"""Passkeys: what the browser is asked, and whether its answer holds (WebAuthn Level 3).

Credentials are discoverable (nobody types a name) and bound to the host name they were made for. A
challenge is used once, within five minutes, for what it was given out for.
"""

from __future__ import annotations

import binascii
import ipaddress
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from hustings.errors import Refused
from hustings.store.account_records import NewKey, Passkey
from hustings.studio.problems import Unauthorized

CHALLENGE_SECONDS = 300.0
MAX_CHALLENGES = 5000
_HINTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What the parsers below us raise for bytes that are no credential, beside their own errors."""

type Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The page that asks: its origin, as its browser writes it into what is signed."""

    origin: str

    @property
    def rp_id(self) -> str:
        """The host name. Raises Refused (409) where browsers allow no passkey (section 5.1.3)."""
        parts = urlsplit(self.origin)
        host = parts.hostname or ""
        local = host == "localhost" or host.endswith(".localhost")
        if not host or _is_address(host) or (parts.scheme != "https" and not local):
            raise Refused(
                409,
                "Passkeys do not work at this address",
                "They need https and a host name, or localhost. A password works everywhere.",
            )
        return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Asked:
    """What a challenge was given out for."""

    purpose: Literal["register", "log in"]
    site: Site
    expires: float
    account_id: str = ""
    """Of a registration: whose passkey it will be."""
    bound_to: str = ""
    """Of a registration: what the request that follows must come with (a session, a link's hash)."""


class Challenges:
    """Those that wait for their answer; the oldest are forgotten when there are too many."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._asked: OrderedDict[str, Asked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._asked)

    def new(
        self, purpose: Literal["register", "log in"], site: Site, account_id: str = "", bound_to: str = ""
    ) -> bytes:
        from webauthn.helpers import bytes_to_base64url

        challenge = secrets.token_bytes(32)
        asked = Asked(purpose, site, self._now() + CHALLENGE_SECONDS, account_id, bound_to)
        self._asked[bytes_to_base64url(challenge)] = asked
        if len(self._asked) > MAX_CHALLENGES:
            self._asked.popitem(last=False)
        return challenge

    def take(self, purpose: str, site: Site, credential: Json) -> tuple[bytes, Asked]:
        """The challenge that `credential` answers; it is good no more. Raises Refused (422)."""
        from webauthn.helpers import base64url_to_bytes

        try:
            client_data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
            challenge = client_data["challenge"]
            asked = self._asked.pop(challenge, None)
        except (*_UNREADABLE, binascii.Error) as error:
            raise _bad("It is no answer of a browser.") from error
        if asked is None or asked.expires <= self._now():
            raise _bad("It took too long, or was used before. Begin again.")
        if asked.purpose != purpose or asked.site != site:
            raise _bad("It answers another question.")
        return base64url_to_bytes(challenge), asked


def creation_options(
    challenge: bytes, site: Site, account_id: str, name: str, have: tuple[Passkey, ...] = ()
) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON (section 5.4)."""
    from webauthn import generate_registration_options
    from webauthn.helpers import base64url_to_bytes, options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.rp_id,
        rp_name="Hustings",
        user_id=account_id.encode(),
        user_name=name,
        user_display_name=name,
        challenge=challenge,
        timeout=int(CHALLENGE_SECONDS * 1000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(key.credential_id)) for key in have
        ],
    )
    return options_to_json_dict(options)


def request_options(challenge: bytes, site: Site) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON (section 5.5): any passkey made for this host."""
    from webauthn import generate_authentication_options
    from webauthn.helpers import options_to_json_dict

    options = generate_authentication_options(
        rp_id=site.rp_id, challenge=challenge, timeout=int(CHALLENGE_SECONDS * 1000)
    )
    return options_to_json_dict(options)


def registered(credential: Json, challenge: bytes, site: Site, name: str) -> NewKey:
    """What is kept of a new passkey (section 7.1). Raises Refused (422)."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
        )
        given = credential["response"].get("transports") or []
        hints = tuple(sorted(_HINTS & {hint for hint in given if isinstance(hint, str)}))
    except (WebAuthnException, *_UNREADABLE) as error:
        raise _bad("The browser's answer does not hold.") from error
    if len(made.credential_id) > 1023:
        raise _bad("Its identifier is longer than a passkey may have.")
    return NewKey(
        bytes_to_base64url(made.credential_id),
        made.credential_public_key,
        made.sign_count,
        site.rp_id,
        name,
        hints,
    )


def credential_id(credential: Json) -> str:
    """Which passkey answers, as the store names it. Raises Unauthorized."""
    from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

    try:
        return bytes_to_base64url(base64url_to_bytes(credential["id"]))
    except (*_UNREADABLE, binascii.Error) as error:
        raise unknown() from error


def proven(credential: Json, challenge: bytes, site: Site, key: Passkey) -> int:
    """The passkey's new counter when its owner is there (section 7.2). Raises Unauthorized."""
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    if key.rp_id != site.rp_id:
        raise unknown()
    try:
        handle = credential["response"].get("userHandle")
        if handle and base64url_to_bytes(handle) != key.account_id.encode():
            raise unknown()
        used = verify_authentication_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=key.rp_id,
            expected_origin=site.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
        )
    except (WebAuthnException, *_UNREADABLE) as error:
        raise unknown() from error
    return used.new_sign_count


def unknown() -> Unauthorized:
    """One answer for everything that is wrong with a log-in by passkey."""
    return Unauthorized("Not logged in", "This passkey is unknown here, or its answer does not hold.")


def _bad(detail: str) -> Refused:
    return Refused(422, "The passkey was not taken", detail, where="body: passkey")
