"""A certificate authority that speaks ACME (RFC 8555) on 127.0.0.1, for tests.

It checks what a real one checks: nonces (each once), the signed address, signatures by the account's key,
the proof by asking over HTTP, and that the request is for the names that were proved. The proof is asked
for at 127.0.0.1 and `http_port`, with the domain as Host; names are not looked up.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from acme import jws
from authority import Authority
from cryptography import x509
from josepy.jwk import JWK


class Refused(Exception):
    """Becomes a problem document (section 6.7)."""

    def __init__(self, kind: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.status = kind, detail, status


@dataclass(slots=True)
class Order:
    number: int
    account: str
    domain: str
    token: str
    status: str = "pending"
    proof: str = "pending"
    fault: dict[str, str] | None = None
    certificate: bytes = b""


@dataclass
class AcmeServer:
    """`url`: the directory. `days`: of what it signs. `fault`: refuses every order, saying this."""

    authority: Authority
    http_port: int = 0
    days: float = 90
    fault: str = ""
    url: str = ""
    accounts: dict[str, JWK] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)
    """Addresses at which proof was found."""
    _nonces: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def nonce(self) -> str:
        made = secrets.token_urlsafe(16)
        with self._lock:
            self._nonces.add(made)
        return made

    def directory(self) -> dict[str, Any]:
        names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke"}
        return {
            **{name: f"{self.url}/{path}" for name, path in names.items()},
            "keyChange": f"{self.url}/key",
        }

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        """A signed POST: status, headers, content."""
        signed = jws.JWS.json_loads(body.decode())
        header = signed.signature.combined
        nonce = base64.urlsafe_b64encode(header.nonce).rstrip(b"=").decode()
        with self._lock:
            if nonce not in self._nonces:
                raise Refused("badNonce", "This nonce is not ours, or was used.")
            self._nonces.remove(nonce)
        if header.url != f"{self.url}{path}":
            raise Refused("unauthorized", "The address that was signed is another.", 403)
        if path == "/account":
            key = header.jwk
        else:
            key = self.accounts.get(header.kid or "")
            if key is None:
                raise Refused("accountDoesNotExist", "No such account.")
        if key is None or not signed.verify(key):
            raise Refused("malformed", "The signature does not hold.")
        content: Any = json.loads(signed.payload) if signed.payload else None
        if path == "/account":
            return self._account(key, content)
        return self._of_account(path, header.kid, key, content)

    def _account(self, key: JWK, content: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        if not content.get("termsOfServiceAgreed"):
            raise Refused("userActionRequired", "Agree to the terms.", 403)
        for uri, known in self.accounts.items():
            if known.thumbprint() == key.thumbprint():
                return 200, {"Location": uri}, {"status": "valid"}
        uri = f"{self.url}/account/{len(self.accounts) + 1}"
        self.accounts[uri] = key
        return 201, {"Location": uri}, {"status": "valid"}

    def _of_account(
        self, path: str, account: str, key: JWK, content: dict[str, Any] | None
    ) -> tuple[int, dict[str, str], Any]:
        if path == "/order":
            assert content is not None
            if self.fault:
                raise Refused("rateLimited", self.fault, 429)
            (identifier,) = content["identifiers"]
            token = secrets.token_urlsafe(24)
            order = Order(len(self.orders), account, identifier["value"], token)
            self.orders.append(order)
            return 201, {"Location": f"{self.url}/order/{order.number}"}, self._shown(order)
        kind, _, number = path[1:].partition("/")
        order = self.orders[int(number)]
        if order.account != account:
            raise Refused("unauthorized", "Another's.", 403)
        if kind == "challenge":
            self._prove(order, key)
            return (
                200,
                {"Link": f'<{self.url}/authorization/{order.number}>;rel="up"'},
                self._challenge(order),
            )
        if kind == "authorization":
            identifier = {"type": "dns", "value": order.domain}
            shown = {"status": order.proof, "identifier": identifier, "challenges": [self._challenge(order)]}
            return 200, {}, shown
        if kind == "finalize":
            assert content is not None
            self._sign(order, content["csr"])
        elif kind == "certificate":
            return 200, {"Content-Type": "application/pem-certificate-chain"}, order.certificate
        return 200, {"Location": f"{self.url}/order/{order.number}"}, self._shown(order)

    def _shown(self, order: Order) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "status": order.status,
            "identifiers": [{"type": "dns", "value": order.domain}],
            "authorizations": [f"{self.url}/authorization/{order.number}"],
            "finalize": f"{self.url}/finalize/{order.number}",
        }
        if order.certificate:
            shown["certificate"] = f"{self.url}/certificate/{order.number}"
        return shown

    def _challenge(self, order: Order) -> dict[str, Any]:
        url = f"{self.url}/challenge/{order.number}"
        shown: dict[str, Any] = {"type": "http-01", "url": url, "token": order.token, "status": order.proof}
        if order.fault:
            shown["error"] = order.fault
        return shown

    def _prove(self, order: Order, key: JWK) -> None:
        """Section 8.3: asks for the token, and compares with token and thumbprint of the account's key."""
        thumbprint = base64.urlsafe_b64encode(key.thumbprint()).rstrip(b"=").decode()
        address = f"http://127.0.0.1:{self.http_port}/.well-known/acme-challenge/{order.token}"
        try:
            answer = httpx.get(address, headers={"Host": order.domain}, trust_env=False, timeout=10)
            found = answer.text.rstrip() if answer.status_code == 200 else f"status {answer.status_code}"
        except httpx.HTTPError as error:
            found = type(error).__name__
        if found == f"{order.token}.{thumbprint}":
            order.proof, order.status = "valid", "ready"
            self.proofs.append(address)
        else:
            order.proof = order.status = "invalid"
            detail = f"{address} gave {found[:60]}"
            order.fault = {"type": "urn:ietf:params:acme:error:unauthorized", "detail": detail}

    def _sign(self, order: Order, encoded: str) -> None:
        if order.status != "ready":
            raise Refused("orderNotReady", "Prove it first.", 403)
        request = x509.load_der_x509_csr(base64.urlsafe_b64decode(encoded + "=="))
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if not request.is_signature_valid or names.get_values_for_type(x509.DNSName) != [order.domain]:
            raise Refused("badCSR", "Not what was proved.")
        now = datetime.datetime.now(datetime.UTC)
        public: Any = request.public_key()
        leaf = self.authority.sign(public, [order.domain], now, now + datetime.timedelta(days=self.days))
        order.certificate = leaf + self.authority.pem
        order.status = "valid"


@contextlib.contextmanager
def acme_server(authority: Authority, http_port: int = 0) -> Iterator[AcmeServer]:
    """Runs one; `http_port`: where it looks for proof (may be set later)."""
    server = AcmeServer(authority, http_port)

    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(200, {}, b"")

        def do_GET(self) -> None:
            self._answer(200, {}, server.directory())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                self._answer(*server.take(self.path, body))
            except Refused as refused:
                problem = {"type": f"urn:ietf:params:acme:error:{refused.kind}", "detail": refused.detail}
                kind = {"Content-Type": "application/problem+json"}
                self._answer(refused.status, kind, problem)

        def _answer(self, status: int, headers: dict[str, str], content: Any) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            told = {"Content-Type": "application/json", "Replay-Nonce": server.nonce(), **headers}
            for name, value in {**told, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as door:
        door.daemon_threads = True
        server.url = f"http://127.0.0.1:{door.server_port}"
        threading.Thread(target=door.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            door.shutdown()
