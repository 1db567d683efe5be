"""The studio's API for commands, tests and measurements. Every failure is one clear sentence."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self

import httpx

from hustings.clients import trust
from hustings.errors import HustingsError, Refused

TIMEOUT = 10.0


class StudioApi:
    """A thin synchronous client; use as a context manager or call `close`."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        """`base_url` of the studio door; `token` an operator's API token (`hustings token`); `verify`:
        whose certificates count, by default the usual ones (see trust.py)."""
        self._url = base_url.rstrip("/")
        # No proxy from the environment: the studio is this machine's or named outright.
        self._client = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,
            verify=verify or trust.usual(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def create_room(self, title: str, *, slug: str = "", at: str = "", figures: str = "") -> dict[str, Any]:
        """A new room; members as CONTRACT says: slug, audience_url, studio_url."""
        body: dict[str, Any] = {"title": title}
        if slug:
            body["slug"] = slug
        if at:
            body["at"] = at
        if figures:
            body["figures"] = figures
        return self._call("POST", "/api/rooms", body)

    def rooms(self) -> Any:
        """All rooms, as the studio lists them."""
        return self._json(self._send("GET", "/api/rooms", None))

    def room(self, slug: str) -> dict[str, Any]:
        """One room's state."""
        return self._call("GET", f"/api/rooms/{slug}")

    def invite(self, slug: str, name: str, *, role: str = "speaker", public: bool = False) -> dict[str, Any]:
        """An invitation: link, ticket, state."""
        body = {"name": name, "role": role, "public": public}
        return self._call("POST", f"/api/rooms/{slug}/invitations", body)

    def open(self, slug: str) -> dict[str, Any]:
        """Doors open: speakers may connect and hear each other."""
        return self._call("POST", f"/api/rooms/{slug}/open")

    def start(self, slug: str) -> dict[str, Any]:
        """Live: program output begins."""
        return self._call("POST", f"/api/rooms/{slug}/start")

    def stop(self, slug: str) -> dict[str, Any]:
        """Ended."""
        return self._call("POST", f"/api/rooms/{slug}/stop")

    def off_record(self, slug: str, off: bool) -> dict[str, Any]:
        """Nothing is written from now on; or it is again."""
        return self._call("POST", f"/api/rooms/{slug}/off-record", {"off": off})

    def publish_statement(self, slug: str, who: str, text: str, **more: Any) -> dict[str, Any]:
        """A statement in the room's public record, for ever. `more`: link, broadcast, id."""
        body = {"who": who, "text": text, **more}
        return self._call("POST", f"/api/rooms/{slug}/statements", body)

    def publish_correction(self, slug: str, was: str, now: str, **more: Any) -> dict[str, Any]:
        """A correction in the room's public record, for ever. `more`: broadcast, position, entry, id."""
        body = {"was": was, "now": now, **more}
        return self._call("POST", f"/api/rooms/{slug}/corrections", body)

    def mute(self, slug: str, participant_id: str, muted: bool) -> dict[str, Any]:
        """Server-side mute of one participant."""
        return self._call("POST", f"/api/rooms/{slug}/participants/{participant_id}/mute", {"muted": muted})

    def agree(self, slug: str, agree: bool) -> dict[str, Any]:
        """To be recorded, or no longer; the token is a ticket here."""
        return self._call("POST", f"/api/rooms/{slug}/me/consent", {"agree": agree})

    def reset_account(self, name: str) -> dict[str, Any]:
        """A link back into the account `name`. Raises HustingsError when there is none."""
        wanted = " ".join(name.casefold().split())
        for account in self._call("GET", "/api/accounts").get("accounts", []):
            if " ".join(str(account["name"]).casefold().split()) == wanted:
                return self._call("POST", f"/api/accounts/{account['id']}/reset")
        raise HustingsError(f"There is no account '{name}'.")

    def health(self) -> dict[str, Any]:
        """How the server is (docs/api.md, The server); texts in English."""
        return self._call("GET", "/api/operator/health?lang=en&history=false")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._json(self._send(method, path, body))
        if not isinstance(answer, dict):
            raise HustingsError(
                f"The studio at {self._url} gave an answer that is no object; is it Hustings?"
            )
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        try:
            response = self._client.request(method, path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            todo = "start `hustings serve` or set HUSTINGS_STUDIO."
            raise trust.unreachable(f"The studio at {self._url}", error, todo) from error
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise Refused(401, "The studio does not know this token", "set HUSTINGS_TOKEN or give --data DIR")
        if response.is_error:
            raise refused(response)
        return response

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise HustingsError(
                f"The studio at {self._url} did not answer in JSON; is it Hustings?"
            ) from error


def refused(response: httpx.Response) -> Refused:
    """The problem document (RFC 9457) of an error answer, or what can be said without one."""
    title, detail, where = f"HTTP {response.status_code}", "", ""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        title = str(problem.get("title") or title)
        detail = str(problem.get("detail") or "")
        where = str(problem.get("where") or "")
    return Refused(response.status_code, title, detail, where)
