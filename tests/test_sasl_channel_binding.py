# SPDX-License-Identifier: MIT
"""The end-point binding: which hash a certificate asks for."""

from __future__ import annotations

import contextlib
import hashlib
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from smtpproto.exceptions import InvalidValueError
from smtpproto.sasl import ChannelBinding, server_end_point


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes((tag,)) + length + content


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    octets = bytearray((first * 40 + second,))
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.insert(0, arc & 0x7F | 0x80)
        octets += bytes(groups)
    return der(0x06, bytes(octets))


def certificate(*algorithm: bytes) -> bytes:
    tbs = der(0x30, b"to be signed" * 20)
    return der(0x30, tbs, der(0x30, *algorithm), der(0x03, b"\0signature"))


NULL = b"\x05\0"


@pytest.mark.parametrize(
    ("signature", "digest"),
    [
        ("1.2.840.113549.1.1.4", "sha256"),  # MD5
        ("1.2.840.113549.1.1.5", "sha256"),  # SHA-1
        ("1.2.840.113549.1.1.14", "sha224"),
        ("1.2.840.113549.1.1.11", "sha256"),
        ("1.2.840.113549.1.1.12", "sha384"),
        ("1.2.840.113549.1.1.13", "sha512"),
        ("1.2.840.10045.4.1", "sha256"),  # SHA-1
        ("1.2.840.10045.4.3.1", "sha224"),
        ("1.2.840.10045.4.3.2", "sha256"),
        ("1.2.840.10045.4.3.3", "sha384"),
        ("1.2.840.10045.4.3.4", "sha512"),
        ("1.2.840.10040.4.3", "sha256"),  # SHA-1
        ("2.16.840.1.101.3.4.3.1", "sha224"),
        ("2.16.840.1.101.3.4.3.2", "sha256"),
    ],
)
def test_the_hash_of_the_signature(signature: str, digest: str) -> None:
    octets = certificate(oid(signature), NULL)
    expected = hashlib.new(digest, octets).digest()
    assert server_end_point(octets) == ChannelBinding("tls-server-end-point", expected)


@pytest.mark.parametrize(
    ("parameters", "digest"),
    [
        (der(0x30), "sha256"),  # SHA-1 by default
        (der(0x30, der(0xA2, b"\2\1\x20")), "sha256"),
        (der(0x30, der(0xA0, der(0x30, oid("1.3.14.3.2.26")))), "sha256"),
        (der(0x30, der(0xA0, der(0x30, oid("1.2.840.113549.2.5")))), "sha256"),
        (der(0x30, der(0xA0, der(0x30, oid("2.16.840.1.101.3.4.2.4")))), "sha224"),
        (der(0x30, der(0xA0, der(0x30, oid("2.16.840.1.101.3.4.2.1"), NULL))), "sha256"),
        (der(0x30, der(0xA0, der(0x30, oid("2.16.840.1.101.3.4.2.2"), NULL))), "sha384"),
        (der(0x30, der(0xA0, der(0x30, oid("2.16.840.1.101.3.4.2.3"), NULL))), "sha512"),
    ],
)
def test_the_hash_of_rsassa_pss_is_a_parameter(parameters: bytes, digest: str) -> None:
    octets = certificate(oid("1.2.840.113549.1.1.10"), parameters)
    binding = server_end_point(octets)
    assert binding is not None
    assert binding.data == hashlib.new(digest, octets).digest()


def test_a_signature_without_a_hash_of_its_own_is_undefined() -> None:
    assert server_end_point(certificate(oid("1.3.101.112"))) is None  # Ed25519
    unknown = der(0x30, der(0xA0, der(0x30, oid("1.2.3"))))
    assert server_end_point(certificate(oid("1.2.840.113549.1.1.10"), unknown)) is None


def test_a_certificate_as_it_is_used() -> None:
    # trustme signs by ECDSA with SHA-256.
    pem = trustme.CA().issue_cert("mail.example.org").cert_chain_pems[0].bytes()
    octets = ssl.PEM_cert_to_DER_cert(pem.decode())
    binding = server_end_point(octets)
    assert binding == ChannelBinding("tls-server-end-point", hashlib.sha256(octets).digest())


def test_every_truncation_is_refused() -> None:
    octets = certificate(oid("1.2.840.113549.1.1.11"), NULL)
    for size in range(len(octets)):
        with pytest.raises(InvalidValueError):
            server_end_point(octets[:size])
    with pytest.raises(InvalidValueError):
        server_end_point(octets + b"x")


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x31\0",
        b"\x30\x80",  # indefinite, which is BER
        b"\x30\x85\0\0\0\0\0",
        b"\x30\xff" + bytes(127),
        b"\x30\x81",
        b"\x30\x84\xff\xff\xff\xff",
    ],
)
def test_lengths_that_are_not_der(bad: bytes) -> None:
    for octets in (bad, certificate(oid("1.2.840.113549.1.1.10"), bad)):
        with pytest.raises(InvalidValueError):
            server_end_point(octets)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_octets_of_any_kind_raise_nothing_else(octets: bytes, at: int) -> None:
    whole = certificate(oid("1.2.840.113549.1.1.10"), der(0x30, der(0xA0, octets)))
    for damaged in (octets, whole, whole[:at] + octets + whole[at + len(octets) :]):
        with contextlib.suppress(InvalidValueError):
            binding = server_end_point(damaged)
            assert binding is None or len(binding.data) in (28, 32, 48, 64)
