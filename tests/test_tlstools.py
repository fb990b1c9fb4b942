# SPDX-License-Identifier: MIT
"""Contexts and the facts of a TLS layer, by handshakes in memory."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

import pytest
import trustme
from adapter_drive import contexts
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smtpproto.dialogues import ConnectionLost, SecurityError
from smtpproto.tlstools import (
    ReloadingContext,
    client_context,
    handshake_failure,
    server_context,
    tls_info,
)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Make a handshake in memory; return the server's and the client's layer."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    waiting = [other, one]
    while waiting:
        for layer in tuple(waiting):
            try:
                layer.do_handshake()
                waiting.remove(layer)
            except ssl.SSLWantReadError:
                pass
    return one, other


def test_what_is_known_of_a_layer() -> None:
    server, client = shaken(*contexts())
    info = tls_info(client)
    assert info.version == "TLSv1.3"
    assert info.cipher.startswith("TLS_")
    assert info.peer_certificate == client.getpeercert(binary_form=True)
    assert info.peer_verified
    assert set(info.channel_bindings) == {"tls-server-end-point"}
    info = tls_info(server)
    assert (info.peer_certificate, info.peer_verified) == (None, False)
    assert info.channel_bindings == {}


def test_tls_unique_below_tls_1_3() -> None:
    _, context = contexts()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        server, client = shaken(*contexts())
    finally:
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    unique = tls_info(client).channel_bindings["tls-unique"]
    assert unique == tls_info(server).channel_bindings["tls-unique"]


def test_what_a_server_can_be_bound_to(tmp_path: Path) -> None:
    """RFC 5929 4: the certificate of ours, which only its file tells."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    authority.cert_pem.write_to_path(str(chain), append=True)
    leaf.private_key_pem.write_to_path(str(key))
    client = ssl.create_default_context()
    authority.configure_trust(client)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    for context in (server_context(str(chain), str(key)), server_context(str(both))):
        one, other = map(tls_info, shaken(context, client))
        assert one.channel_bindings == other.channel_bindings
        assert set(one.channel_bindings) == {"tls-server-end-point"}


@pytest.mark.parametrize("missing", ["chain.pem", "key.pem"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    leaf = trustme.CA().issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(str(chain))
    leaf.private_key_pem.write_to_path(str(key))
    (tmp_path / missing).unlink()
    for make in (server_context, ReloadingContext):
        with pytest.raises(FileNotFoundError, match=missing):
            make(str(chain), str(key))


def test_a_certificate_that_nothing_can_be_bound_to(tmp_path: Path) -> None:
    """RFC 5929 4.1: its signature uses no hash of its own."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begin = datetime(2020, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, datetime(2090, 1, 1))
    made = builder.sign(key, None)
    file = tmp_path / "own.pem"
    file.write_bytes(
        made.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    one, other = shaken(server_context(str(file)), client_context(verify=False))
    assert tls_info(one).channel_bindings == tls_info(other).channel_bindings == {}


def test_a_layer_that_is_not_established() -> None:
    """As when it was broken by what came right behind the handshake."""
    layer = contexts()[1].wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(ConnectionResetError, match="handshake"):
        tls_info(layer)


def test_default_contexts(tmp_path: Path) -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    careless = client_context(verify=False)
    assert careless.verify_mode is ssl.CERT_NONE
    assert careless.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert not careless.cert_store_stats()["x509"]  # to read them would take long
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    chain = tmp_path / "chain.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(chain))
    server, client = shaken(server_context(str(chain)), careless)
    assert not tls_info(client).peer_verified
    assert tls_info(server).version == "TLSv1.3"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            OSError(113, "no route"),
            ConnectionLost,
            "lost in the TLS handshake: [Errno 113] no route",
        ),
        (ValueError("no"), SecurityError, "TLS handshake failed: no"),
        (ssl.SSLCertVerificationError("who?"), SecurityError, "who?"),
        (ConnectionResetError("reset"), ConnectionLost, "lost in the TLS handshake: reset"),
        (ssl.SSLEOFError("ended"), ConnectionLost, "lost in the TLS handshake: "),
    ],
)
def test_a_handshake_that_failed(error: Exception, kind: type[Exception], text: str) -> None:
    failure = handshake_failure(error)
    assert type(failure) is kind
    assert text in str(failure)
