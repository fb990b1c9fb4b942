# SPDX-License-Identifier: MIT
"""A SASL client and server put together, as two connections and an application would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from smtpproto.exceptions import ProtocolError
from smtpproto.sasl import (
    AcceptAnonymous,
    AnonymousClient,
    AnonymousServer,
    Authorize,
    Challenge,
    ChannelBinding,
    ClientMechanism,
    CramMD5Client,
    CramMD5Server,
    ExternalClient,
    ExternalServer,
    Failure,
    FetchPassword,
    FetchScramCredentials,
    LoginClient,
    LoginServer,
    MapCertificate,
    OAuthBearerClient,
    OAuthBearerServer,
    PlainClient,
    PlainServer,
    Request,
    SASLError,
    ScramClient,
    ScramServer,
    ServerMechanism,
    Success,
    VerifyPassword,
    VerifyToken,
    XOAuth2Client,
    XOAuth2Server,
    make_scram_credentials,
)

# All of Unicode that a credential may hold.
credentials = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)

USER, SECRET = "tim,=é", "tanstaaf=,ü"
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
KEY = b"a key of the server's own"
BINDING = ChannelBinding("tls-server-end-point", b"\0\1\2 channel \xff")


@dataclass
class Application:
    """Answers every question for one user."""

    user: str = USER
    password: str = SECRET
    token: str = TOKEN
    may_act_as: tuple[str, ...] = ()
    asked: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        match request:
            case VerifyPassword(username=username, password=password, authzid=authzid):
                right = username == self.user and password == self.password
                return authzid if right and authzid in self.may_act_as else right
            case FetchPassword(username=username):
                return self.password if username == self.user else None
            case FetchScramCredentials(username=username, hash_name=hash_name):
                if username != self.user:
                    return None
                return make_scram_credentials(
                    self.password.encode(), b"salt of this user", 1, hash_name
                )
            case Authorize(authzid=authzid):
                return authzid in self.may_act_as
            case VerifyToken(token=token):
                return self.user if token == self.token else None
            case MapCertificate(authzid=authzid):
                return self.user if authzid in ("", self.user) else None
            case AcceptAnonymous():
                return True
        raise AssertionError(request)


@dataclass
class Result:
    """How an exchange ended."""

    success: Success | None = None
    """The client may believe it, too."""
    failure: Failure | None = None
    error: SASLError | None = None
    messages: list[bytes] = field(default_factory=list)
    """As they were sent: the client's first message, the server's, and so on."""
    shown: list[str] = field(default_factory=list)
    """Everything that a log could have got hold of."""


def authenticate(
    client: ClientMechanism,
    server: ServerMechanism,
    application: Callable[[Request], Any],
    alter: Callable[[int, bytes], bytes] = lambda number, message: message,
) -> Result:
    """Let both sides talk to their end; `alter` stands between them."""
    result = Result()

    def wire(message: bytes) -> bytes:
        result.messages.append(message)
        return alter(len(result.messages) - 1, message)

    def show(*things: object) -> None:
        result.shown += [f"{thing!r} {thing}" for thing in (client, server, *things)]

    first = client.initial_response()
    step = server.step(None if first is None else wire(first))
    while True:
        show(step)
        if isinstance(step, Request):
            step = server.answer(application(step))
        elif isinstance(step, Failure):
            result.failure = step
            return result
        else:
            data = step.data if isinstance(step, Challenge) else step.final_data
            if data is not None:
                try:
                    response = client.step(wire(data))
                except SASLError as error:
                    show(error, error.__cause__, error.__context__)
                    assert not client.done
                    result.error = error
                    return result
            if isinstance(step, Success):
                assert client.done
                result.success = step
                return result
            step = server.step(wire(response))


Case = Callable[[], tuple[ClientMechanism, ServerMechanism, Application]]


def scram(name: str, **options: Any) -> Case:
    """Make a case of SCRAM for `USER`; `options` are the client's."""
    plus = name.endswith("-PLUS")
    binding = BINDING if plus else None

    def case() -> tuple[ClientMechanism, ServerMechanism, Application]:
        client = ScramClient(
            name,
            USER,
            SECRET,
            b"client-nonce",
            channel_binding=binding,
            minimum_iterations=1,
            **options,
        )
        bindings = {BINDING.name: BINDING.data} if plus else None
        server = ScramServer(name, b"server-nonce", KEY, channel_bindings=bindings)
        return client, server, Application(may_act_as=("other",))

    return case


CASES: dict[str, Case] = {
    "PLAIN": lambda: (PlainClient(USER, SECRET), PlainServer(), Application()),
    "PLAIN for another": lambda: (
        PlainClient(USER, SECRET, "other"),
        PlainServer(),
        Application(may_act_as=("other",)),
    ),
    "LOGIN": lambda: (LoginClient(USER, SECRET), LoginServer(), Application()),
    "CRAM-MD5": lambda: (
        CramMD5Client(USER, SECRET),
        CramMD5Server(b"<1896.697170952@postoffice.example>"),
        Application(),
    ),
    "EXTERNAL": lambda: (ExternalClient(), ExternalServer(), Application()),
    "EXTERNAL named": lambda: (ExternalClient(USER), ExternalServer(), Application()),
    "ANONYMOUS": lambda: (AnonymousClient("sirhc"), AnonymousServer(), Application()),
    "OAUTHBEARER": lambda: (
        OAuthBearerClient(TOKEN, USER, host="server.example.com", port=587),
        OAuthBearerServer(),
        Application(),
    ),
    "XOAUTH2": lambda: (XOAuth2Client(USER, TOKEN), XOAuth2Server(), Application()),
    "SCRAM-SHA-1": scram("SCRAM-SHA-1"),
    "SCRAM-SHA-256": scram("SCRAM-SHA-256"),
    "SCRAM-SHA-256 for another": scram("SCRAM-SHA-256", authzid="other"),
    "SCRAM-SHA-512": scram("SCRAM-SHA-512"),
    "SCRAM-SHA-1-PLUS": scram("SCRAM-SHA-1-PLUS"),
    "SCRAM-SHA-256-PLUS": scram("SCRAM-SHA-256-PLUS"),
    "SCRAM-SHA-512-PLUS": scram("SCRAM-SHA-512-PLUS"),
}


def secret_in(error: BaseException, secret: str) -> bool:
    """Tell whether an exception, or one it comes from, holds the secret."""
    assert isinstance(error, ProtocolError)
    chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
    return any(secret in f"{one!r} {one} {getattr(one, 'args', ())}" for one in chain)
