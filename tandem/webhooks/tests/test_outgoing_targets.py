"""Which addresses a webhook may have: a table of hostile ones, refused on save and again on every send."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from ipaddress import ip_address, ip_network

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem.config import env
from tandem.webhooks.outgoing import Client, NotSent, check_target
from tandem.webhooks.outgoing.targets import AddressRefused, check_address, read_target
from tests.figures import figure

TLS = ssl.create_default_context()  # made once: reading the authorities takes longer than a test

# (address, why it must be refused)
HOSTILE = [
    # This machine
    ("http://localhost/", "this machine by name"),
    ("http://localhost:8000/", "this machine, another port"),
    ("https://LOCALHOST/", "upper case"),
    ("https://LocalHost/", "mixed case"),
    ("http://localhost./", "trailing dot"),
    ("http://localhost../", "two trailing dots"),
    ("http://a.localhost/", "RFC 6761: everything below localhost is loopback"),
    ("http://api.v2.localhost/", "deeper below localhost"),
    ("http://a.LOCALHOST:99/", "below localhost, upper case"),
    ("http://a.localhost./", "below localhost, trailing dot"),
    ("http://127.0.0.1/", "loopback"),
    ("http://127.0.0.1:5432/", "loopback, the database's port"),
    ("http://127.0.0.1./", "loopback, trailing dot"),
    ("http://127.0.0.2/", "loopback is a /8"),
    ("http://127.255.255.254/", "loopback, its end"),
    ("http://0.0.0.0/", "Linux connects to itself"),
    ("http://0.0.0.0:8000/", "Linux connects to itself"),
    ("http://0.1.2.3/", "0/8 means this network"),
    ("http://[::1]/", "loopback, IPv6"),
    ("http://[::1]:8000/", "loopback, IPv6, port"),
    ("http://[0:0:0:0:0:0:0:1]/", "loopback, written out"),
    ("http://[0000:0000:0000:0000:0000:0000:0000:0001]/", "loopback, all zeros"),
    ("http://[::]/", "unspecified, IPv6"),
    ("http://[0:0:0:0:0:0:0:0]/", "unspecified, written out"),
    # The same in the spellings of inet_aton
    ("http://2130706433/", "127.0.0.1 as one decimal"),
    ("http://2130706433:80/", "the same with a port"),
    ("http://02130706433/", "the same with a zero in front"),
    ("http://0x7f000001/", "127.0.0.1 as one hex number"),
    ("http://0X7F000001/", "hex in upper case"),
    ("http://0x7F.0x0.0x0.0x1/", "four hex numbers"),
    ("http://0x7f.1/", "short and hex"),
    ("http://127.1/", "short"),
    ("http://127.0.1/", "three parts"),
    ("http://0177.1/", "octal and short"),
    ("http://0177.0.0.1/", "octal"),
    ("http://0177.0.0.01/", "octal twice"),
    ("http://00000177.0.0.1/", "octal with many zeros"),
    ("http://017700000001/", "127.0.0.1 as one octal number"),
    ("http://127.0.0.0x1/", "hex in the last part"),
    ("http://127.0x0.0.1/", "mixed"),
    ("http://127.000.000.001/", "zeros in front: octal to some, decimal to others"),
    ("http://0/", "0.0.0.0 as one number"),
    ("http://00/", "0.0.0.0 in octal"),
    ("http://0x0/", "0.0.0.0 in hex"),
    ("http://0x/", "some resolvers read it as 0"),
    ("http://0.0/", "0.0.0.0, short"),
    ("http://010.8.8.8/", "8.8.8.8 to inet_aton, 10.8.8.8 to others"),
    ("http://134744072/", "even a public address, for two readers may differ"),
    ("http://2852039166/", "169.254.169.254 as one decimal"),
    ("http://0xa9fea9fe/", "169.254.169.254 in hex"),
    ("http://0251.0376.0251.0376/", "169.254.169.254 in octal"),
    ("http://169.254.43518/", "169.254.169.254, short"),
    ("http://0xA9.254.0251.254/", "169.254.169.254, mixed"),
    ("http://425.510.425.510/", "parts above 255 wrap in careless readers"),
    ("http://4294967296/", "more than 32 bits"),
    ("http://6425673729/", "127.0.0.1 after an overflow"),
    ("http://256.256.256.256/", "no address"),
    ("http://1.2.3.4.5/", "five parts"),
    ("http://127.0.0.1.1/", "five parts"),
    ("http://foo.127/", "ends in a number, so it is read as an address"),
    ("http://foo.0x7f/", "ends in a hex number"),
    ("http://127..1/", "an empty part"),
    ("http://127.0.0.-1/", "a negative part"),
    ("http://.127.0.0.1/", "a dot in front"),
    # Private and reserved IPv4
    ("http://10.0.0.1/", "private"),
    ("http://10.255.255.255/", "private, its end"),
    ("http://172.16.0.1/", "private"),
    ("http://172.31.255.255/", "private, its end"),
    ("http://192.168.0.1/", "private"),
    ("http://192.168.255.255/", "private, its end"),
    ("http://169.254.169.254/", "cloud credentials"),
    ("http://169.254.169.254/latest/meta-data/", "cloud credentials, the path that matters"),
    ("http://169.254.170.2/", "container credentials"),
    ("http://169.254.0.1/", "link-local"),
    ("http://100.64.0.1/", "CGNAT"),
    ("http://100.100.100.200/", "a cloud's credentials inside of CGNAT"),
    ("http://100.127.255.255/", "CGNAT, its end"),
    ("http://192.0.0.1/", "IETF assignments"),
    ("http://192.0.0.192/", "a cloud's credentials; Python 3.11 calls it global"),
    ("http://192.0.2.1/", "documentation"),
    ("http://198.51.100.7/", "documentation"),
    ("http://203.0.113.9/", "documentation"),
    ("http://192.88.99.1/", "6to4 relay"),
    ("http://198.18.0.1/", "benchmarks"),
    ("http://198.19.255.255/", "benchmarks, its end"),
    ("http://168.63.129.16/", "a cloud's inner service at a public-looking address"),
    ("http://224.0.0.1/", "multicast; Python 3.11 calls it global"),
    ("http://239.255.255.250/", "multicast"),
    ("http://240.0.0.1/", "reserved"),
    ("http://255.255.255.255/", "broadcast"),
    # IPv6, and IPv4 hidden in it
    ("http://[::ffff:127.0.0.1]/", "mapped loopback"),
    ("http://[::FFFF:127.0.0.1]/", "mapped loopback, upper case"),
    ("http://[::ffff:7f00:1]/", "mapped loopback, hex"),
    ("http://[0:0:0:0:0:ffff:127.0.0.1]/", "mapped loopback, written out"),
    ("http://[::ffff:169.254.169.254]/", "mapped cloud credentials"),
    ("http://[::ffff:a9fe:a9fe]/", "mapped cloud credentials, hex"),
    ("http://[::ffff:10.0.0.1]/", "mapped private"),
    ("http://[::ffff:8.8.8.8]/", "mapped, always"),
    ("http://[::127.0.0.1]/", "compatible; Python 3.11 calls it global"),
    ("http://[::7f00:1]/", "compatible, hex"),
    ("http://[::10.0.0.1]/", "compatible private"),
    ("http://[::8.8.8.8]/", "compatible, always"),
    ("http://[::ffff:0:127.0.0.1]/", "translated (RFC 2765)"),
    ("http://[64:ff9b::127.0.0.1]/", "NAT64; Python 3.11 calls it global"),
    ("http://[64:ff9b::7f00:1]/", "NAT64, hex"),
    ("http://[64:ff9b::a9fe:a9fe]/", "NAT64 to cloud credentials"),
    ("http://[64:ff9b::8.8.8.8]/", "NAT64, always"),
    ("http://[64:ff9b:1::1]/", "NAT64 of a local network"),
    ("http://[2002:7f00:1::]/", "6to4 loopback; Python 3.11 calls it global"),
    ("http://[2002:a9fe:a9fe::1]/", "6to4 cloud credentials"),
    ("http://[2002:a00:1::1]/", "6to4 private"),
    ("http://[2002:808:808::1]/", "6to4, always"),
    ("http://[2001:0:7f00:1::]/", "Teredo"),
    ("http://[2001:0:0:0:0:0:80ff:fffe]/", "Teredo of 127.0.0.1"),
    ("http://[2001:10::1]/", "ORCHID"),
    ("http://[2001:20::1]/", "ORCHIDv2"),
    ("http://[2001:2::1]/", "benchmarks"),
    ("http://[2001:db8::1]/", "documentation"),
    ("http://[3fff::1]/", "documentation"),
    ("http://[fc00::1]/", "private"),
    ("http://[fd00:ec2::254]/", "cloud credentials over IPv6"),
    ("http://[fdff:ffff::1]/", "private, its end"),
    ("http://[fe80::1]/", "link-local"),
    ("http://[febf::1]/", "link-local, its end"),
    ("http://[fec0::1]/", "site-local; Python 3.11 calls it global"),
    ("http://[ff02::1]/", "multicast"),
    ("http://[ff0e::1]/", "multicast, global scope"),
    ("http://[100::1]/", "discard"),
    ("http://[5f00::1]/", "segment routing"),
    ("http://[4000::1]/", "not given out"),
    ("http://[8000::1]/", "not given out"),
    ("http://[200::1]/", "not given out"),
    ("http://[fe80::1%25eth0]/", "zone"),
    ("http://[fe80::1%eth0]/", "zone, not encoded"),
    ("http://[::1%25lo]/", "zone on loopback"),
    ("http://[2606:4700::1111%25eth0]/", "zone on a public address"),
    ("http://[2606:4700::1111%]/", "empty zone"),
    ("http://[::1]./", "dot behind the bracket"),
    ("http://[::1/", "bracket never closed"),
    ("http://::1/", "no brackets"),
    ("http://[]/", "nothing in the brackets"),
    ("http://[127.0.0.1]/", "IPv4 in brackets"),
    ("http://[::1]evil.example/", "something behind the bracket"),
    ("http://[v1.fe80::a]/", "a future form that nobody speaks"),
    ("http://[:::1]/", "three colons"),
    ("http://[1::2::3]/", "two gaps"),
    ("http://[[::1]]/", "two brackets"),
    ("http://[::ffff:0177.0.0.1]/", "octal in the mapped part"),
    ("http://[localhost]/", "a name in brackets"),
    # User names, which hide the host
    ("http://user@hooks.example.com/", "user name"),
    ("http://user:password@hooks.example.com/", "password"),
    ("http://hooks.example.com@127.0.0.1/", "the host is the second one"),
    ("http://hooks.example.com:80@127.0.0.1/", "the host is the second one"),
    ("http://127.0.0.1@hooks.example.com/", "confusing"),
    ("http://a@b@127.0.0.1/", "two of them"),
    ("http://@127.0.0.1/", "an empty one"),
    ("http://@hooks.example.com/", "an empty one before a fine host"),
    ("http://:@hooks.example.com/", "an empty one with a colon"),
    ("http://hooks.example.com%40127.0.0.1/", "an encoded @"),
    # Two readers, two hosts
    ("http://hooks.example.com\\@127.0.0.1/", "browsers take the backslash for a slash"),
    ("http://127.0.0.1\\.hooks.example.com/", "backslash"),
    ("http:\\\\127.0.0.1\\", "backslashes throughout"),
    ("http:/\\127.0.0.1/", "one of each"),
    ("https://hooks.example.com\\/path", "backslash behind the host"),
    ("http://hooks.example.com&@127.0.0.1/", "ampersand before an @"),
    ("http://127.0.0.1 hooks.example.com/", "inet_aton stops at the blank"),
    ("http://127.0.0.1\thooks.example.com/", "inet_aton stops at the tab"),
    ("http://%31%32%37.0.0.1/", "encoded digits"),
    ("http://127.0.0.1%00.example.com/", "encoded NUL"),
    ("http://127%2e0%2e0%2e1/", "encoded dots"),
    ("http://loc%61lhost/", "encoded letter"),
    ("http://hooks.example.com%2f@127.0.0.1/", "encoded slash"),
    ("http://hooks.example.com%23@127.0.0.1/", "encoded hash"),
    # Control characters and blanks
    ("http://hooks.example.com/\r\nX-Injected: 1", "line end in the path"),
    ("http://hooks.example.com/?a=\nb", "line feed in the query"),
    ("http://hooks.example.com\r\n/", "line end in the host"),
    ("http://local\thost/", "some readers drop tabs"),
    ("http://127.0.\n0.1/", "some readers drop line feeds"),
    ("http://hooks.example.com/\x00", "NUL in the path"),
    ("http://hooks\x00.example.com/", "NUL in the host"),
    ("http://hooks.example.com/\x7f", "DEL"),
    ("http://hooks.example.com/\x85", "next line"),
    ("http://hooks.example.com/\u2028", "line separator"),
    ("http://hooks.example.com/\ud800", "half of a character"),
    (" http://hooks.example.com/", "a blank in front"),
    ("\x01http://hooks.example.com/", "a control character in front"),
    ("http://hooks .example.com/", "a blank in the host"),
    ("ht\ntp://hooks.example.com/", "a line feed in the scheme"),
    # International names that turn into something else
    ("http://１２７.0.0.1/", "full-width digits"),
    ("http://１２７。０。０。１/", "full-width digits and dots"),
    ("http://127。0。0。1/", "ideographic dots"),
    ("http://127．0．0．1/", "full-width dots"),
    ("http://127｡0｡0｡1/", "half-width dots"),
    ("http://①②⑦.⓪.⓪.①/", "digits in circles"),
    ("http://１６９.254.169.254/", "full-width cloud credentials"),
    ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "letters in circles"),
    ("http://ｌｏｃａｌｈｏｓｔ/", "full-width letters"),
    ("http://ｈｏｏｋｓ.example.com/", "full-width letters, which readers map differently"),
    ("http://hooks。example.com/", "an ideographic dot between labels"),
    ("http://loc\u00adalhost/", "a soft hyphen that readers drop"),
    ("http://local\u200bhost/", "a blank of no width"),
    ("http://local\u2060host/", "a joiner of no width"),
    ("http://127.0.0.1\u3002/", "an ideographic dot at the end"),
    ("http://٣٢.0.0.1/", "Arabic digits"),
    ("http://hooks.example.com\uff0f@127.0.0.1/", "a full-width slash"),
    ("http://hooks.example.com\u2100.evil.example/", "a character that becomes a/c"),
    ("http://evil\u2044path.example/", "a fraction slash"),
    ("http://\ufeff127.0.0.1/", "a byte order mark"),
    ("http://[::１]/", "a full-width digit in IPv6"),
    ("http://ſtore.localhost/", "a long s"),
    ("http://" + "ü" * 3000 + ".example/", "an international name that costs seconds to read"),
    # Schemes
    ("ftp://hooks.example.com/", "scheme"),
    ("file:///etc/passwd", "files"),
    ("gopher://127.0.0.1:6379/_FLUSHALL", "gopher"),
    ("dict://127.0.0.1:11211/", "dict"),
    ("ldap://127.0.0.1/", "ldap"),
    ("javascript:alert(1)", "script"),
    ("data:text/plain,x", "data"),
    ("unix:///var/run/docker.sock", "a socket"),
    ("http+unix://%2Fvar%2Frun%2Fdocker.sock/", "a socket"),
    ("ws://hooks.example.com/", "web socket"),
    ("httpss://hooks.example.com/", "nearly a scheme"),
    ("xhttp://hooks.example.com/", "nearly a scheme"),
    ("//hooks.example.com/", "no scheme"),
    ("hooks.example.com", "no scheme"),
    ("/path", "no host"),
    ("", "nothing"),
    ("http:", "nothing but a scheme"),
    ("http:/", "one slash"),
    ("http:/hooks.example.com/", "one slash"),
    ("http:hooks.example.com", "no slash"),
    ("http:127.0.0.1", "no slash"),
    ("{scheme}://hooks.example.com/", "placeholder for the scheme"),
    # Hosts
    ("http://", "no host"),
    ("http:///", "no host"),
    ("http:///127.0.0.1/", "three slashes, which some readers skip"),
    ("http://:80/", "a port alone"),
    ("http://?x=1", "a query alone"),
    ("http://#x", "a fragment alone"),
    ("http://./", "a dot alone"),
    ("http://../", "dots alone"),
    ("http://.example.com/", "a dot in front"),
    ("http://hooks..example.com/", "an empty label"),
    ("http://hooks.example.com./", "trailing dot"),
    ("http://-hooks.example.com/", "a hyphen in front"),
    ("http://hooks-.example.com/", "a hyphen at the end"),
    ("http://*.example.com/", "a star"),
    ("http://{attributes.host}/", "placeholder for the host"),
    ("http://{id}.example.com/", "placeholder in the host"),
    ("http://hooks.example.com{id}/", "placeholder glued to the host"),
    ("http://hooks.example.com:{id}/", "placeholder for the port"),
    ("http://ho'oks.example.com/", "a quote"),
    ('http://"127.0.0.1"/', "quotes"),
    ("http://<127.0.0.1>/", "angle brackets"),
    ("http://127.0.0.1;hooks.example.com/", "a semicolon"),
    ("http://127.0.0.1,hooks.example.com/", "a comma"),
    ("http://$(hostname)/", "a shell"),
    ("http://" + "a" * 64 + ".example.com/", "a label above 63"),
    ("http://" + "a." * 130 + "example.com/", "a name above 253"),
    # Ports
    ("http://hooks.example.com:/", "an empty port"),
    ("http://hooks.example.com:0/", "port 0"),
    ("http://hooks.example.com:65536/", "too high"),
    ("http://hooks.example.com:99999999999/", "far too high"),
    ("http://hooks.example.com:-1/", "negative"),
    ("http://hooks.example.com:+80/", "a sign"),
    ("http://hooks.example.com:8 0/", "a blank"),
    ("http://hooks.example.com:80a/", "letters"),
    ("http://hooks.example.com:http/", "a word"),
    ("http://hooks.example.com:0x50/", "hex"),
    ("http://hooks.example.com:８０/", "full-width digits"),
    ("http://hooks.example.com:8_0/", "Python reads it as 80"),
    ("http://hooks.example.com:80:81/", "two ports"),
    ("http://hooks.example.com:80@127.0.0.1:81/", "a port that is a password"),
]

# Where a name must not lead, in the spelling of resolvers.
INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "100.64.1.1",
    "192.0.0.192",
    "224.0.0.1",
    "0.0.0.0",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "fec0::1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:1::1",
    "ff02::1",
    "2001:db8::1",
]

HONEST = [
    ("https://hooks.example.com/crm", "plain"),
    ("http://hooks.example.com", "no path"),
    ("https://hooks.example.com?token=a", "a query at once"),
    ("HTTPS://Hooks.Example.COM:8443/A?b=c#d", "upper case, port, fragment"),
    ("https://hooks.example.com:65535/", "the highest port"),
    ("https://my_host.example.com/", "underscores exist in the wild"),
    ("https://münchen.example/", "an international name"),
    ("https://xn--mnchen-3ya.example/", "the same in ASCII"),
    ("https://उदाहरण.example/", "a name in Devanagari"),
    ("https://hooks.example.com/{id}/a?name={name}&x={attributes.x}", "placeholders where they may stand"),
    ("https://hooks.example.com/a@b", "an @ in the path is no user name"),
    ("https://hooks.example.com/?mail=a@b.example", "an @ in the query"),
    ("https://hooks.example.com/http://127.0.0.1/", "an address in the path is only a path"),
    ("https://hooks.example.com/पथ", "a path in Devanagari"),
    ("http://nowhere.invalid/", "a name that does not resolve is saved"),
    ("http://redis/", "a name without dots: every send judges where it leads"),
    ("http://127.0.0.1.example.com/", "a name that begins like an address"),
    ("http://1e3.example/", "digits in front"),
    ("http://3com.example/", "digits in front"),
    ("http://localhost.example.com/", "not below localhost"),
    ("http://notlocalhost/", "not localhost"),
    ("https://8.8.8.8/", "a public address"),
    ("https://9.255.255.255/", "just below 10/8"),
    ("https://172.15.255.255/", "just below 172.16/12"),
    ("https://172.32.0.0/", "just above 172.16/12"),
    ("https://100.63.255.255/", "just below CGNAT"),
    ("https://100.128.0.0/", "just above CGNAT"),
    ("https://223.255.255.255/", "just below multicast"),
    ("https://[2606:4700:4700::1111]/", "public IPv6"),
    ("https://[2606:4700:4700::1111]:8443/x", "public IPv6 with a port"),
    ("https://[2a00:1450:4001::1]/", "public IPv6"),
]


def test_the_table_is_long_and_every_row_differs() -> None:
    assert len({url for url, _ in HOSTILE}) == len(HOSTILE)
    refused = sum(_is_refused(url) for url, _ in HOSTILE)
    figure(f"hostile addresses of webhooks: {refused} of {len(HOSTILE)} refused when saved")
    assert refused == len(HOSTILE) >= 260, f"{refused} of {len(HOSTILE)} hostile addresses are refused"


@pytest.mark.parametrize(("url", "reason"), HOSTILE, ids=lambda value: ascii(value)[:60])
def test_it_refuses_a_hostile_address_on_save(url: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_target(url)
    assert type(refused.value).__module__ == "tandem.webhooks.outgoing.targets", reason
    assert str(refused.value).endswith("."), "a sentence"


@pytest.mark.parametrize(("url", "reason"), HOSTILE, ids=lambda value: ascii(value)[:60])
def test_it_refuses_a_hostile_address_on_send_and_dials_nothing(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", _never)
    assert _code_of_sending(url, answers=["127.0.0.1"]) in ("bad_url", "address_refused"), reason


@pytest.mark.parametrize(("url", "reason"), HONEST, ids=lambda value: ascii(value)[:60])
def test_it_accepts_an_honest_address(url: str, reason: str) -> None:
    check_target(url)


@given(st.text(alphabet="0123456789abcdefABCDEFxX.:%[]/@\\\\ -_", max_size=30))
@example("127.1")
def test_no_host_that_passes_as_a_name_is_an_address_to_the_system(host: str) -> None:
    try:
        target = read_target(f"http://{host}/")
    except ValueError:
        return
    if target.literal is None:
        with pytest.raises(OSError):
            socket.inet_aton(target.host)
        with pytest.raises(OSError):
            socket.getaddrinfo(target.host, None, flags=socket.AI_NUMERICHOST)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user:password@hooks.example.com/", "no user name or password; use a header"),
        ("http://127.1/", "as four decimal numbers"),
        ("http://10.0.0.1/", "10.0.0.1 is private"),
        ("http://[64:ff9b::1.1.1.1]/", "IPv4 address in disguise"),
        ("http://localhost/", "this machine"),
        ("ftp://hooks.example.com/", "begins with https:// or http://"),
        ("http://hooks.example.com:0/", "'0' is not a number from 1 to 65535"),
        ("http://hooks.example.com./", "ends with a dot"),
    ],
)
def test_the_refusal_says_what_is_wrong(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_target(url)


def test_it_looks_nothing_up_on_save(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", _never)
    check_target("https://hooks.example.com/")


@pytest.mark.parametrize(
    "address",
    INSIDE,
)
@pytest.mark.parametrize("beside", [[], ["93.184.215.14"], ["93.184.215.14", "2606:4700:4700::1111"]])
def test_a_name_that_leads_inside_is_refused_on_send_whatever_else_it_leads_to(
    address: str, beside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", _never)
    for answers in ([address, *beside], [*beside, address]):
        assert _code_of_sending("https://hooks.example.com/", answers=answers) == "address_refused"


def test_allowed_networks_open_what_they_name_and_nothing_else(settings: object) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("10.20.0.0/16"), ip_network("fd00:1::/32")]  # type: ignore[attr-defined]
    check_target("http://10.20.3.4/")
    check_target("http://[fd00:1::7]:8080/")
    for still_refused in (
        "http://10.21.0.1/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::ffff:10.20.3.4]/",
        "http://[64:ff9b::10.20.3.4]/",
        "http://0xa140304/",
    ):
        assert _is_refused(still_refused), still_refused


def test_localhost_is_accepted_where_loopback_is_allowed(settings: object) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]  # type: ignore[attr-defined]
    check_target("http://localhost:8000/")
    assert _is_refused("http://[::1]/")


@pytest.mark.parametrize("raw", ["10.0.0.1/8", "ten", "10.0.0.0/33", "::/129"])
def test_a_setting_that_names_no_network_stops_the_start(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(env.DECLARED, "TANDEM_A_NETWORK", "")
    monkeypatch.setenv("TANDEM_A_NETWORK", raw)
    with pytest.raises(env.BadSetting, match="TANDEM_A_NETWORK"):
        env.networks("TANDEM_A_NETWORK")


def test_the_setting_takes_networks_and_single_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(env.DECLARED, "TANDEM_A_NETWORK", "")
    monkeypatch.setenv("TANDEM_A_NETWORK", "10.0.0.0/8, 192.168.7.4,fd00::/8")
    read = env.networks("TANDEM_A_NETWORK")
    assert read == [ip_network("10.0.0.0/8"), ip_network("192.168.7.4/32"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://Hooks.Example.com", "hooks.example.com", "/"),
        ("https://hooks.example.com:443/a", "hooks.example.com", "/a"),
        ("http://hooks.example.com:443/a", "hooks.example.com:443", "/a"),
        ("https://hooks.example.com?a=b", "hooks.example.com", "/?a=b"),
        ("https://hooks.example.com/a#b", "hooks.example.com", "/a"),
        ("https://hooks.example.com/a b/é?q=ü", "hooks.example.com", "/a%20b/%C3%A9?q=%C3%BC"),
        ("https://hooks.example.com/%2E%2E/100%", "hooks.example.com", "/%2E%2E/100%25"),
        ("https://hooks.example.com/a/../b/./c", "hooks.example.com", "/a/../b/./c"),
        ("https://münchen.example/", "xn--mnchen-3ya.example", "/"),
        ("http://[2606:4700::1]:81/", "[2606:4700::1]:81", "/"),
        ("http://[2606:4700:0:0::1]/", "[2606:4700::1]", "/"),
    ],
)
def test_what_was_read_is_what_goes_on_the_wire(url: str, host: str, path: str) -> None:
    target = read_target(url)
    assert (target.authority, target.path) == (host, path)


def test_every_address_that_python_calls_private_is_refused() -> None:
    for first in range(256):
        for second in range(256):
            address = ip_address(f"{first}.{second}.7.9")
            if not address.is_global or address.is_multicast or address.is_reserved:
                with pytest.raises(AddressRefused):
                    check_address(address, allowed=[])


def _is_refused(url: str) -> bool:
    try:
        check_target(url)
    except ValueError:
        return True
    return False


def _code_of_sending(url: str, *, answers: list[str]) -> str:
    async def resolve(host: str) -> list[str]:
        return answers

    async def send() -> str:
        async with Client(allowed=[], resolve=resolve, tls=TLS) as client:
            with pytest.raises(NotSent) as refused:
                await client.send("POST", url, {}, b"{}")
            return refused.value.code

    return asyncio.run(send())


async def _never(*_: object, **__: object) -> None:
    raise AssertionError("it must not come so far")
