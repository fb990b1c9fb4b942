# SPDX-License-Identifier: MIT
"""PROXY headers: what is taken, what is refused, and that a builder and the parser are inverse."""

import struct
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpproto.exceptions import (
    InvalidValueError,
    LocalProtocolError,
    RemoteProtocolError,
    Violation,
)
from smtpproto.proxy import (
    HEADER_LIMIT,
    AddressFamily,
    InetAddress,
    ProxyCommand,
    ProxyHeader,
    ProxyHeaderParser,
    SslClient,
    SslInfo,
    Tlv,
    Tlvs,
    Transport,
    build_v1,
    build_v2,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
SOURCE = InetAddress("192.0.2.1", 56324)
DESTINATION = InetAddress("198.51.100.2", 25)
LINE = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"
INET = bytes.fromhex("c0000201c6336402dc040019")
BLOCK = SIGNATURE + b"\x21\x11\x00\x0c" + INET


def parse(octets, **options):
    """Return the header and the octets behind it."""
    parser = ProxyHeaderParser(**options)
    return parser.receive_data(octets), parser.unused


def outcome(pieces, **options):
    """Feed the pieces; return the header or the text of the error, and what is behind it."""
    parser = ProxyHeaderParser(**options)
    for number, piece in enumerate(pieces, 1):
        try:
            header = parser.receive_data(piece)
        except RemoteProtocolError as error:
            return f"{error.violation.name}: {error}", b""
        if header is not None:
            return header, parser.unused + b"".join(pieces[number:])
    return None, parser.unused


def refused(octets, **options):
    """Expect the octets to be refused, the same whole and one by one; return the text."""
    whole = outcome([octets], **options)
    assert isinstance(whole[0], str), whole
    assert whole[0].startswith("WRONG_PROTOCOL: bad PROXY protocol header: ")
    assert outcome([bytes([octet]) for octet in octets], **options) == whole
    return whole[0]


def v2(rest, version_command=0x21, family=0x11):
    return SIGNATURE + struct.pack(">BBH", version_command, family, len(rest)) + rest


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def crc32c(octets):
    """The checksum bit by bit, without a table."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


# Version 1.


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (LINE, SOURCE, DESTINATION),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            InetAddress("255.255.255.255", 65535),
            InetAddress("255.255.255.255", 65535),
        ),
        (b"PROXY TCP6 ::1 :: 0 1\r\n", InetAddress("::1", 0), InetAddress("::", 1)),
        (
            b"PROXY TCP6 2001:DB8::1 2001:0db8:0:0:0:0:0:2 1 2\r\n",
            InetAddress("2001:db8::1", 1),
            InetAddress("2001:db8::2", 2),
        ),
        (
            b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2\r\n",
            InetAddress("::ffff:192.0.2.1", 1),
            InetAddress("::ffff:192.0.2.2", 2),
        ),
    ],
)
def test_v1(line, source, destination):
    header = ProxyHeader(source, destination, version=1)
    assert parse(line) == (header, b"")
    assert parse(line + b"EHLO a\r\n") == (header, b"EHLO a\r\n")
    assert header.transport is Transport.STREAM
    assert header.command is ProxyCommand.PROXY


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN \r\n",
        b"PROXY UNKNOWN whatever  it \x00\xff is\r\n",
        b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n",
    ],
)
def test_v1_unknown_has_no_addresses(line):
    header, unused = parse(line + b"\r\n")
    assert unused == b"\r\n"
    assert header == ProxyHeader(version=1)
    assert header.source is None
    assert header.destination is None
    assert header.family is AddressFamily.UNSPEC
    assert header.transport is Transport.UNSPEC


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
        b"PROXY TCP4\t192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY unknown\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 00\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 99999\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 100000\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 -2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1_0 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 \xb2 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 3221225985 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 0xc0.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 mx.example.org 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 ::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP6 ::1 198.51.100.2 1 2\r\n",
        b"PROXY TCP6 fe80::1%1 fe80::2 1 2\r\n",
        b"PROXY TCP6 [::1] ::2 1 2\r\n",
        b"PROXY TCP6 ::1/128 ::2 1 2\r\n",
        b"PROXY TCP6 1::2::3 ::2 1 2\r\n",
        b"PROXY TCP6 00001::1 ::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n",
        b"PROXY UNKNOWN\n",
        b"PROXY UNKNOWN a\rb\r\n",
        b"PROXY UNKNOWN a\nb\r\n",
        b"PROXY UNKNOWN\r\r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * 92 + b"\r",
        b"PROXY UNKNOWN " + b"x" * 93,
    ],
)
def test_v1_refused(line):
    refused(line)


def test_v1_builds():
    assert build_v1(SOURCE, DESTINATION) == LINE
    assert build_v1() == b"PROXY UNKNOWN\r\n"
    assert (
        build_v1(InetAddress("2001:DB8:0:0::1", 0), InetAddress("::", 65535))
        == b"PROXY TCP6 2001:db8::1 :: 0 65535\r\n"
    )
    # The grammar has sets of hexadecimal digits only.
    assert (
        build_v1(InetAddress("::ffff:192.0.2.1", 1), InetAddress("::FFFF:0.0.2.1", 2))
        == b"PROXY TCP6 ::ffff:c000:201 ::ffff:0:201 1 2\r\n"
    )


def test_v1_needs_two_addresses_of_one_family():
    for pair in ((SOURCE, None), (None, SOURCE), (SOURCE, InetAddress("::1", 25))):
        with pytest.raises(InvalidValueError):
            build_v1(*pair)


# Version 2.


@pytest.mark.parametrize(
    ("octets", "header"),
    [
        (BLOCK, ProxyHeader(SOURCE, DESTINATION)),
        (v2(INET, family=0x12), ProxyHeader(SOURCE, DESTINATION, transport=Transport.DGRAM)),
        (
            v2(
                bytes.fromhex("20010db8" + "0" * 23 + "1") + bytes(16) + b"\0\1\xff\xff", 0x21, 0x21
            ),
            ProxyHeader(InetAddress("2001:db8::1", 1), InetAddress("::", 65535)),
        ),
        (
            v2(bytes(10) + b"\xff\xff\xc0\0\2\1" + bytes(15) + b"\1\0\1\0\2", 0x21, 0x22),
            ProxyHeader(
                InetAddress("::ffff:192.0.2.1", 1),
                InetAddress("::1", 2),
                transport=Transport.DGRAM,
            ),
        ),
        (
            v2(b"/run/a".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0"), 0x21, 0x31),
            ProxyHeader(b"/run/a", b"\0abstract"),
        ),
        (v2(bytes(108) + b"x" * 108, 0x21, 0x31), ProxyHeader(b"", b"x" * 108)),
        (
            v2(bytes(216), 0x21, 0x32),
            ProxyHeader(b"", b"", transport=Transport.DGRAM),
        ),
        (v2(b"", 0x20, 0x00), ProxyHeader(command=ProxyCommand.LOCAL)),
        (v2(b"", 0x21, 0x00), ProxyHeader()),
    ],
)
def test_v2(octets, header):
    assert parse(octets) == (header, b"")
    assert parse(octets + b"\x16\x03\x01") == (header, b"\x16\x03\x01")
    assert build_v2(header) == octets


def test_v2_unix_path_ends_at_its_first_nul():
    rest = b"/run/a\0rest".ljust(108, b"x") + b"\0a\0b".ljust(108, b"\0")
    assert parse(v2(rest, 0x21, 0x31))[0] == ProxyHeader(b"/run/a", b"\0a\0b")


@pytest.mark.parametrize("family", [0x00, 0x11, 0x31, 0x44, 0xFF])
@pytest.mark.parametrize("rest", [b"", b"\x03", INET, INET + tlv(3, b"bad!"), b"\xff" * 300])
def test_v2_local_ignores_everything_behind_it(family, rest):
    octets = v2(rest, 0x20, family)
    assert parse(octets + b"x") == (ProxyHeader(command=ProxyCommand.LOCAL), b"x")


@pytest.mark.parametrize("family", [0x00, 0x01, 0x02, 0x10, 0x20, 0x30])
@pytest.mark.parametrize("rest", [b"", b"\x03", INET, b"\xff" * 300])
def test_v2_unspecified_is_passed_over(family, rest):
    assert parse(v2(rest, 0x21, family) + b"x") == (ProxyHeader(), b"x")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (v2(INET, 0x11), "expected version 2, got 1"),
        (v2(INET, 0x31), "expected version 2, got 3"),
        (v2(INET, 0x01), "expected version 2, got 0"),
        (v2(INET, 0x22), "got command 2"),
        (v2(INET, 0x2F), "got command 15"),
        (v2(INET, family=0x13), "0x13"),
        (v2(INET, family=0x41), "0x41"),
        (v2(INET, family=0xF1), "0xf1"),
        (v2(INET[:-1]), "expected 12 octets of addresses, got a length of 11"),
        (v2(b""), "got a length of 0"),
        (v2(bytes(35), family=0x21), "expected 36 octets of addresses"),
        (v2(bytes(215), family=0x31), "expected 216 octets of addresses"),
        (v2(INET + b"\x01"), "past the end"),
        (v2(INET + b"\x01\x00"), "past the end"),
        (v2(INET + b"\x01\x00\x01"), "past the end"),
        (v2(INET + tlv(1, b"a") + b"\xea\xff\xffxyz"), "TLV 0xea runs past the end"),
    ],
)
def test_v2_refused(octets, text):
    assert text in refused(octets)


@pytest.mark.parametrize(
    "fixed", [b"\x11", b"\x22", b"\x21\x13", b"\x21\x11\0\x0b", b"\x20\0\x10\1"]
)
def test_v2_fixed_part_is_judged_octet_by_octet(fixed):
    assert outcome([SIGNATURE + fixed[:-1]]) == (None, b"")
    refused(SIGNATURE + fixed)


@pytest.mark.parametrize("version_command", [0x20, 0x21])
def test_v2_length_is_capped(version_command):
    longest = v2(bytes(HEADER_LIMIT - 16), version_command, 0)
    assert parse(longest + b"x")[1] == b"x"
    over = longest[:14] + struct.pack(">H", HEADER_LIMIT - 15)
    assert "expected 4112 octets at most, got 4113" in refused(over)
    assert "expected 27 octets at most, got 28" in refused(BLOCK, limit=27)
    assert parse(BLOCK, limit=28)[0].source == SOURCE
    assert parse(v2(bytes(65535), 0x20), limit=65551)[0] is not None


# Vectors.


def test_tlvs_are_typed():
    inner = (
        tlv(0x21, b"TLSv1.3")
        + tlv(0x22, "é.example".encode())
        + tlv(0x23, b"ECDHE-RSA-AES128-GCM-SHA256")
        + tlv(0x24, b"RSA-SHA256")
        + tlv(0x25, b"RSA2048")
        + tlv(0x26, b"secp256r1")
        + tlv(0x27, b"rsa_pss_rsae_sha256")
        + tlv(0x28, b"\x30\x00\xff")
        + tlv(0x04, b"")
    )
    octets = v2(
        INET
        + tlv(0xEA, b"\x01vpce")
        + tlv(0x04, b"")
        + tlv(0x01, b"smtp")
        + tlv(0x02, "mx.é.example".encode())
        + tlv(0x05, b"\x00" * 128)
        + tlv(0x20, b"\x07\x00\x00\x00\x00" + inner)
        + tlv(0x04, b"padding")
        + tlv(0x30, b"blue")
        + tlv(0xEA, b"")
    )
    header, _ = parse(octets)
    assert header.tlvs == Tlvs(
        alpn=b"smtp",
        authority="mx.é.example",
        unique_id=b"\x00" * 128,
        ssl=SslInfo(
            client=SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS,
            verify=0,
            version="TLSv1.3",
            common_name="é.example",
            cipher="ECDHE-RSA-AES128-GCM-SHA256",
            signature_algorithm="RSA-SHA256",
            key_algorithm="RSA2048",
            group="secp256r1",
            signature_scheme="rsa_pss_rsae_sha256",
            client_certificate=b"\x30\x00\xff",
            unknown=(Tlv(0x04, b""),),
        ),
        netns="blue",
        unknown=(Tlv(0xEA, b"\x01vpce"), Tlv(0xEA, b"")),
    )
    assert parse(build_v2(header)) == (header, b"")


@pytest.mark.parametrize(
    ("client", "verify", "verified"),
    [(1, 0, False), (3, 0, True), (5, 0, True), (7, 1, False), (0, 0, False), (0xF9, 0, False)],
)
def test_verified_needs_a_certificate(client, verify, verified):
    octets = v2(INET + tlv(0x20, struct.pack(">BI", client, verify)))
    ssl = parse(octets)[0].tlvs.ssl
    assert ssl == SslInfo(SslClient(client), verify)
    assert ssl.verified is verified


@pytest.mark.parametrize(
    "vectors",
    [
        tlv(0x02, b"\xff"),
        tlv(0x02, b"a\r\nb"),
        tlv(0x02, b"a\rb"),
        tlv(0x02, b"a\0"),
        tlv(0x02, b"a\nb"),
        tlv(0x30, "é".encode()),
        tlv(0x05, bytes(129)),
        tlv(0x01, b"a") + tlv(0x01, b"b"),
        tlv(0x20, bytes(5)) + tlv(0x20, bytes(5)),
        tlv(0x20, b""),
        tlv(0x20, bytes(4)),
        tlv(0x20, bytes(5) + b"\x21"),
        tlv(0x20, bytes(5) + tlv(0x21, b"x")[:-1]),
        tlv(0x20, bytes(5) + tlv(0x21, b"x") * 2),
        *(tlv(0x20, bytes(5) + tlv(kind, b"\xc3\xa9")) for kind in (0x21, *range(0x23, 0x28))),
        tlv(0x20, bytes(5) + tlv(0x22, b"\xe9")),
        tlv(0x20, bytes(5) + tlv(0x22, b"a\nb")),
    ],
)
def test_tlvs_refused(vectors):
    refused(v2(INET + vectors))


# The checksum.


def with_crc(before=b"", after=b""):
    octets = v2(INET + before + tlv(3, bytes(4)) + after)
    at = len(octets) - len(after) - 4
    return octets[:at] + crc32c(octets).to_bytes(4, "big") + octets[at + 4 :]


def test_crc_of_the_reference_text():
    assert crc32c(b"123456789") == 0xE3069283


def test_crc_is_built_and_verified():
    header = ProxyHeader(SOURCE, DESTINATION, tlvs=Tlvs(alpn=b"smtp"))
    octets = build_v2(header, crc=True)
    assert octets == with_crc(tlv(1, b"smtp"))
    assert parse(octets) == (header, b"")
    assert parse(with_crc(tlv(0xE0, b"x"), tlv(1, b"smtp")))[0].tlvs == Tlvs(
        alpn=b"smtp", unknown=(Tlv(0xE0, b"x"),)
    )


def test_crc_of_a_header_without_addresses_stands_behind_the_fixed_part():
    octets = build_v2(ProxyHeader(command=ProxyCommand.LOCAL), crc=True)
    plain = v2(tlv(3, bytes(4)), 0x20, 0)
    assert octets == plain[:-4] + crc32c(plain).to_bytes(4, "big")
    assert parse(octets) == (ProxyHeader(command=ProxyCommand.LOCAL), b"")


def test_crc_sees_every_changed_bit():
    octets = with_crc(tlv(1, b"smtp"), tlv(0xE0, b"x"))
    for at in range(16, len(octets)):
        for bit in range(8):
            damaged = bytearray(octets)
            damaged[at] ^= 1 << bit
            # Unless the change hides the checksum itself behind another type.
            if at != octets.index(b"\x03\x00\x04"):
                assert isinstance(outcome([bytes(damaged)])[0], str), (at, bit)


@pytest.mark.parametrize("value", [b"", bytes(3), bytes(5)])
def test_crc_has_four_octets(value):
    assert "checksum" in refused(v2(INET + tlv(3, value)))


def test_crc_is_there_once():
    once = with_crc()
    assert "twice" in refused(v2(once[16:] + once[-7:]))


# The parser.


@pytest.mark.parametrize(
    ("versions", "octets"),
    [((1,), BLOCK), ({2}, LINE), ((1, 2), b"EHLO mx.example.org\r\n"), ((2, 1), b"\r\nPROXY")],
)
def test_other_beginnings_are_refused(versions, octets):
    refused(octets, versions=versions)


@pytest.mark.parametrize(("versions", "octets"), [((1,), LINE), ([2], BLOCK)])
def test_one_version_can_be_chosen(versions, octets):
    assert parse(octets, versions=versions)[0].source == SOURCE


def test_refusal_shows_the_octets_up_to_the_first_wrong_one():
    assert refused(b"PROXX TCP4").endswith(
        "expected b'PROXY ' or b'\\r\\n\\r\\n\\x00\\r\\nQUIT\\n', got b'PROXX'"
    )
    assert refused(b"\x16\x03\x01", versions=[1]).endswith("expected b'PROXY ', got b'\\x16'")


@pytest.mark.parametrize("versions", [(), (0,), (1, 3)])
def test_versions_must_exist(versions):
    with pytest.raises(InvalidValueError):
        ProxyHeaderParser(versions)


def test_error_is_raised_again():
    parser = ProxyHeaderParser()
    with pytest.raises(RemoteProtocolError) as first:
        parser.receive_data(b"GET / HTTP/1.1\r\n")
    for octets in (LINE, b""):
        with pytest.raises(RemoteProtocolError) as again:
            parser.receive_data(octets)
        assert str(again.value) == str(first.value)
        assert again.value.violation is Violation.WRONG_PROTOCOL
    assert parser.unused == b""


def test_local_errors_change_nothing():
    parser = ProxyHeaderParser()
    parser.receive_data(LINE[:10])
    with pytest.raises(LocalProtocolError) as empty:
        parser.receive_data(b"")
    assert empty.value.violation is Violation.LOCAL_VALUE
    assert parser.receive_data(LINE[10:] + b"QUIT") is not None
    with pytest.raises(LocalProtocolError) as late:
        parser.receive_data(b"more")
    assert late.value.violation is Violation.LOCAL_STATE
    assert parser.unused == b"QUIT"


@pytest.mark.parametrize("octets", [LINE, BLOCK, with_crc(tlv(0x20, bytes(5)))])
def test_every_truncation_needs_more(octets):
    for length in range(1, len(octets)):
        assert outcome([octets[:length]]) == (None, b"")


@pytest.mark.parametrize(
    ("version", "start", "octets"), [(1, b"PROXY ", LINE), (2, SIGNATURE, BLOCK)]
)
def test_every_corruption_of_the_start_is_refused(version, start, octets):
    for at in range(len(start)):
        for octet in set(range(256)) - {octets[at]}:
            wrong = octets[:at] + bytes([octet])
            assert isinstance(outcome([wrong + octets[at + 1 :]])[0], str)
            # At once: no octet behind it is waited for.
            assert isinstance(outcome([wrong], versions=[version])[0], str)


# Values.


def test_inet_address_has_one_text():
    assert InetAddress("2001:DB8:0::1", 1) == InetAddress("2001:db8::1", 1)
    assert InetAddress("::FFFF:C000:0201", 1).ip == "::ffff:192.0.2.1"
    assert InetAddress("::192.0.2.1", 1).ip == "::c000:201"
    assert InetAddress("192.0.2.1", 1).packed == bytes([192, 0, 2, 1])


@pytest.mark.parametrize(
    ("ip", "port"),
    [
        ("", 1),
        ("fe80::1%eth0", 1),
        ("192.0.2.1\r\n", 1),
        ("192.0.2.010", 1),
        ("::1", -1),
        ("::1", 65536),
    ],
)
def test_inet_address_refused(ip, port):
    with pytest.raises(InvalidValueError):
        InetAddress(ip, port)


@pytest.mark.parametrize(
    ("source", "destination", "options"),
    [
        (SOURCE, None, {}),
        (SOURCE, b"/run/a", {}),
        (b"x" * 109, b"", {}),
        (b"", b"/run\0/a", {}),
        (b"", b"/run/a\0", {}),
        (b"\0", b"", {}),
        (SOURCE, DESTINATION, {"transport": Transport.UNSPEC}),
        (SOURCE, DESTINATION, {"command": ProxyCommand.LOCAL}),
        (None, None, {"transport": Transport.STREAM}),
        (None, None, {"tlvs": Tlvs(alpn=b"smtp")}),
    ],
)
def test_header_refused(source, destination, options):
    with pytest.raises(InvalidValueError):
        ProxyHeader(source, destination, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tlv(256, b""),
        lambda: Tlv(-1, b""),
        lambda: Tlv(0xE0, bytes(65536)),
        lambda: Tlvs(unknown=(Tlv(0x03, bytes(4)),)),
        lambda: Tlvs(unknown=(Tlv(0x02, b"a"),)),
        lambda: Tlvs(unique_id=bytes(129)),
        lambda: Tlvs(alpn=bytes(65536)),
        lambda: Tlvs(authority="a\rb"),
        lambda: Tlvs(authority="\udcff"),
        lambda: Tlvs(netns="é"),
        lambda: SslInfo(SslClient.SSL, -1),
        lambda: SslInfo(SslClient.SSL, 1 << 32),
        lambda: SslInfo(SslClient(256), 0),
        lambda: SslInfo(SslClient.SSL, 0, cipher="é"),
        lambda: SslInfo(SslClient.SSL, 0, unknown=(Tlv(0x22, b"root"),)),
    ],
)
def test_tlv_values_refused(make):
    with pytest.raises(InvalidValueError):
        make()


def test_a_header_is_not_built_longer_than_its_length_can_say():
    room = 65535 - 12 - 3
    header = ProxyHeader(SOURCE, DESTINATION, tlvs=Tlvs(unknown=(Tlv(0xE0, bytes(room)),)))
    assert parse(build_v2(header), limit=65551)[0] == header
    with pytest.raises(InvalidValueError):
        build_v2(header, crc=True)


# Properties.

PORTS = st.integers(0, 65535)
INET4 = st.builds(InetAddress, st.ip_addresses(v=4).map(str), PORTS)
INET6 = st.builds(InetAddress, st.ip_addresses(v=6).map(str), PORTS)
PATHS = st.binary(max_size=108).map(
    lambda octets: octets.rstrip(b"\0") if octets[:1] == b"\0" else octets.split(b"\0")[0]
)
TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=20)
ASCII = st.none() | st.text(st.characters(codec="ascii", exclude_characters="\0\r\n"), max_size=20)
OCTETS = st.none() | st.binary(max_size=20)


def unknown(*known):
    kinds = st.integers(0, 255).filter(lambda kind: kind not in known)
    return st.lists(st.builds(Tlv, kinds, st.binary(max_size=20)), max_size=3).map(tuple)


SSL = st.builds(
    SslInfo,
    st.integers(0, 255).map(SslClient),
    st.integers(0, 0xFFFFFFFF),
    ASCII,
    TEXTS,
    ASCII,
    ASCII,
    ASCII,
    ASCII,
    ASCII,
    OCTETS,
    unknown(*range(0x21, 0x29)),
)
TLVS = st.builds(
    Tlvs,
    OCTETS,
    TEXTS,
    st.none() | st.binary(max_size=128),
    st.none() | SSL,
    ASCII,
    unknown(*range(1, 6), 0x20, 0x30),
)
HEADERS = st.builds(
    lambda pair, transport, tlvs: ProxyHeader(*pair, transport=transport, tlvs=tlvs),
    st.tuples(INET4, INET4) | st.tuples(INET6, INET6) | st.tuples(PATHS, PATHS),
    st.sampled_from([Transport.STREAM, Transport.DGRAM]),
    TLVS,
) | st.sampled_from([ProxyHeader(), ProxyHeader(command=ProxyCommand.LOCAL)])


@st.composite
def near_headers(draw):
    """Octets that look like a header, for a while at least."""
    crc = draw(st.booleans())
    octets = bytearray(
        draw(
            st.binary(max_size=60)
            | st.binary(max_size=120).map(b"PROXY ".__add__)
            | st.text("PROXYTC46UNKOW 0159.:af\r\n", max_size=120).map(
                lambda text: b"PROXY TCP" + text.encode()
            )
            | st.binary(max_size=60).map(SIGNATURE.__add__)
            | st.builds(v2, st.binary(max_size=60).map(INET.__add__))
            | st.tuples(INET4 | INET6, INET4).map(lambda pair: build_v1(pair[1], pair[1]))
            | HEADERS.map(lambda header: build_v2(header, crc))
        )
    )
    for at, octet in draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=2)
    ):
        if at < len(octets):
            octets[at] = octet
    return bytes(octets) + draw(st.binary(max_size=8))


@given(near_headers(), st.lists(st.integers(1, 500), max_size=8))
@example(LINE + BLOCK, [1])
def test_cuts_do_not_matter_and_only_remote_errors_come(octets, cuts):
    edges = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    pieces = [octets[begin:end] for begin, end in pairwise(edges)]
    whole = outcome([octets] if octets else [])
    assert outcome(pieces) == whole
    assert outcome([bytes([octet]) for octet in octets]) == whole


@given(HEADERS, st.booleans(), st.binary(max_size=10))
def test_v2_round_trip(header, crc, tail):
    octets = build_v2(header, crc)
    assert parse(octets + tail) == (header, tail)
    assert hash(parse(octets)[0]) == hash(header)


@given(st.tuples(INET4, INET4) | st.tuples(INET6, INET6), st.binary(max_size=10))
@example((InetAddress("ffff:" * 7 + "ffff", 65535),) * 2, b"")
def test_v1_round_trip(pair, tail):
    line = build_v1(*pair)
    assert len(line) <= 104
    assert parse(line + tail) == (ProxyHeader(*pair, version=1), tail)


def read_no_more_than_needed(octets: bytes) -> tuple[ProxyHeader, int]:
    """Parse as one does who leaves what is behind the header to others; return where it ends."""
    parser = ProxyHeaderParser(limit=65551)
    at = 0
    while True:
        taken = octets[at : at + parser.needed]
        at += len(taken)
        header = parser.receive_data(taken)
        if header is not None:
            assert (parser.needed, parser.unused) == (0, b"")
            return header, at


@given(
    HEADERS.map(build_v2) | st.tuples(INET4 | INET6).map(lambda one: build_v1(one[0], one[0])),
    st.binary(max_size=200),
)
@example(b"PROXY UNKNOWN\r\n", b"\x16\x03\x01")
@example(b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n", b"\r\n")
def test_reading_what_is_needed_never_reads_what_is_behind(octets, tail):
    assert read_no_more_than_needed(octets + tail)[1] == len(octets)
