"""Bodies and answers of the accounts' part of the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hustings.studio.schemas import Body, Name

type Secret = Annotated[str, Field(min_length=8, max_length=256)]
type Password = Annotated[str, Field(min_length=1, max_length=256, description="10 to 256 characters.")]
type Credential = Annotated[
    dict[str, Any],
    Field(description="What `PublicKeyCredential.toJSON()` gives (WebAuthn Level 3, sections 5.1.8, 5.1.9)."),
]
type AccountRole = Literal["operator", "host"]
type Scope = Literal["operator", "rooms", "read"]


class Look(Body):
    """What is this link for?"""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": "i_SECRET-OF-THE-LINK"}]})
    secret: Secret


class SetupOptions(Body):
    """A passkey is to be made; `name` is what the authenticator shows beside it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"secret": "i_SECRET-OF-THE-LINK", "name": "Clara Weiss"}]}
    )
    secret: Secret
    name: Name


class Setup(Body):
    """A new account (or, by a reset link, a new way into one): with a password or with a passkey."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"secret": "i_SECRET-OF-THE-LINK", "name": "Clara Weiss", "password": "four words in a row"}
            ]
        }
    )
    secret: Secret
    name: Name = Field(description="Not used with a reset link.")
    password: Password | None = None
    passkey: Credential | None = None
    passkey_name: Name = "Passkey"

    @model_validator(mode="after")
    def _one_way(self) -> Setup:
        if (self.password is None) == (self.passkey is None):
            raise ValueError("one of password and passkey is needed")
        return self


class LogIn(Body):
    """Name and password, or a passkey."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Clara Weiss", "password": "four words in a row"}]}
    )
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    password: Password | None = None
    passkey: Credential | None = None

    @model_validator(mode="after")
    def _one_way(self) -> LogIn:
        by_password = self.name is not None and self.password is not None
        if by_password == (self.passkey is not None):
            raise ValueError("name and password are needed, or a passkey")
        return self


class Again(Body):
    """The password of whoever is logged in, or one of his passkeys."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "four words in a row"}]})
    password: Password | None = None
    passkey: Credential | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Again:
        if (self.password is None) == (self.passkey is None):
            raise ValueError("one of password and passkey is needed")
        return self


class Rename(Body):
    """Another name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Clara Weiss"}]})
    name: Name


class NewPassword(Body):
    """`current`: the one before, when there is one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"password": "four other words in a row", "current": "four words in a row"}]
        }
    )
    password: Password
    current: Password | None = None


class NewPasskey(Body):
    """One more passkey. `name`: to know it again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Phone",
                    "passkey": {"id": "...", "rawId": "...", "type": "public-key", "response": {}},
                }
            ]
        }
    )
    name: Name
    passkey: Credential


class NewAccountInvitation(Body):
    """Somebody who is to have an account. `name` may be changed by whoever follows the link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Thomas Reed", "role": "host"}]})
    name: Name
    role: AccountRole = "host"


class Disable(Body):
    """Nothing of a disabled account works."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"disabled": True}]})
    disabled: bool


class ChangeRole(Body):
    """What the account may: everything, or conduct rooms of its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "operator"}]})
    role: AccountRole


class NewToken(Body):
    """`operator`: everything (operators only); `rooms`: conduct the account's rooms; `read`: look at them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Stream deck", "scope": "rooms"}]})
    name: Name
    scope: Scope


class LinkKind(BaseModel):
    """What a link is for."""

    kind: Literal["first", "invite", "reset"]
    name: str
    role: AccountRole
    expires_at: str | None


class Options(BaseModel):
    """For `navigator.credentials`: `PublicKeyCredential.parse...OptionsFromJSON(options)`."""

    options: dict[str, Any]


class AccountMe(BaseModel):
    """The account that is logged in."""

    id: str
    name: str
    role: AccountRole
    password: bool = Field(description="Whether it has one.")
    created_at: str


class SessionState(BaseModel):
    """A browser that is logged in."""

    id: str
    browser: str = Field(description='"Firefox", or "" for what is no known browser.')
    system: str
    created_at: str
    used_at: str = Field(description="To five minutes.")
    current: bool


class SessionList(BaseModel):
    sessions: list[SessionState]


class PasskeyState(BaseModel):
    id: str
    name: str
    created_at: str
    used_at: str | None
    host: str = Field(description="The host name it works at.")


class PasskeyList(BaseModel):
    passkeys: list[PasskeyState]


class AccountState(BaseModel):
    id: str
    name: str
    role: AccountRole
    created_at: str
    disabled: bool


class AccountList(BaseModel):
    accounts: list[AccountState]


class AccountInvitation(BaseModel):
    """A link that waits. `link` is shown when it is made, this once."""

    id: str
    name: str
    role: AccountRole
    created_at: str
    expires_at: str


class AccountInvitationMade(AccountInvitation):
    link: str


class AccountInvitationList(BaseModel):
    invitations: list[AccountInvitation]


class TokenState(BaseModel):
    id: str
    name: str
    scope: Scope
    created_at: str
    used_at: str | None


class TokenMade(TokenState):
    token: str = Field(description="Shown this once.")


class TokenList(BaseModel):
    tokens: list[TokenState]
