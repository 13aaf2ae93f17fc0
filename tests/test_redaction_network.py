"""IP and MAC addresses: what is found and what is left alone."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redaction_cases import ADVERSARIAL, found, replaced, texts

from or_audit_logging import RedactionFilter, Redactor
from or_audit_logging.redaction import network, numbers

MATCHERS = (*numbers.MATCHERS, *network.MATCHERS)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("from 192.168.1.10.", "192.168.1.10"),
        ("1.2.3.4", "1.2.3.4"),
        ("http://10.0.0.1:8080/x", "10.0.0.1"),
        ("route 10.0.0.0/8.", "10.0.0.0/8"),
        ("ip:203.0.113.9,", "203.0.113.9"),
        ("host/10.0.0.1:50010", "10.0.0.1"),
        ("10.0.0.1-10.0.0.20", "10.0.0.1"),
        ("10.0.0.1 200 512", "10.0.0.1"),
        ("fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("addr:2001:db8::1", "2001:db8::1"),
        ("my ip: ::1", "::1"),
        ("fe80::1%eth0 is up", "fe80::1%eth0"),
        ("at fe80::1: timeout", "fe80::1"),
        ("684D:1111:222:3333:4444:5555:6:77", "684D:1111:222:3333:4444:5555:6:77"),
        ("64:ff9b::192.0.2.0/96", "64:ff9b::192.0.2.0/96"),
    ],
)
def test_addresses_are_found_whole(text: str, address: str) -> None:
    """Version 4 and 6, with the prefix length and the zone, without the port."""
    assert ("IP_ADDRESS", address) in found(MATCHERS, text)


@pytest.mark.parametrize(
    "text",
    [
        "v1.2.3.4, version 1.2.3.4, x==1.2.3.4, lib-1.2.3.4.tar.gz",
        "1.2.3.4.5 and OID 1.3.6.1.4.1",
        "256.1.1.1, 1.2.3.400, 01.2.3.4, 1.2.3",
        "Chrome/120.0.0.0 Safari/537.36",
        "a[::2], a[1::2], x[:][::1]",
        "std::vector, ab::cd, d3::select",
        "12:30:45 and 2026-11-21T12:30:45",
        "00:1A:2B:3C:4D:5E",
        ":: and 1:2:3",
        "::ffff:192.168.1",
        "1:2:3:4:5:6:7:8:9",
        "12345::1",
        "[IP_ADDRESS]",
    ],
)
def test_what_only_looks_like_an_address_is_left(text: str) -> None:
    """Versions, OIDs, products, slices, names of code, times."""
    assert [kind for kind, _ in found(MATCHERS, text) if kind == "IP_ADDRESS"] == []


@given(
    st.ip_addresses(v=4)
    | st.ip_addresses(v=6).filter(lambda ip: int(ip) >> 64 and any(map(str.isdigit, str(ip))))
)
def test_every_address_is_found(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """As the standard library writes it, in a sentence."""
    assert ("IP_ADDRESS", str(address)) in found(MATCHERS, f"connection from {address} refused")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("MAC 00:1A:2B:3C:4D:5E.", "00:1A:2B:3C:4D:5E"),
        ("01-b3-4a-67-d9-cf", "01-b3-4a-67-d9-cf"),
        ("001a.2b3c.4d5e", "001a.2b3c.4d5e"),
    ],
)
def test_hardware_addresses_are_found_by_choice(text: str, address: str) -> None:
    """Only by the matchers that are asked for."""
    assert found(network.BY_CHOICE, text) == [("MAC_ADDRESS", address)]
    assert found(network.MATCHERS, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "00:1A:2B:3C:4D",
        "00:1A:2B:3C:4D:5E:6F",
        "00:1A:2B-3C:4D:5E",
        "x00:1A:2B:3C:4D:5E",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_other_hexadecimal_is_no_hardware_address(text: str) -> None:
    """Longer and shorter rows, mixed separators, UUIDs."""
    assert found(network.BY_CHOICE, text) == []


def test_the_pack_for_hardware_addresses() -> None:
    """With the pack `mac`, also from a configuration; beside IP addresses, and by an action of their own."""
    text = "00:1A:2B:3C:4D:5E has 10.0.0.1 and fe80::1ff:fe23:4567:890a"
    assert Redactor().redact(text).text == "00:1A:2B:3C:4D:5E has [IP_ADDRESS] and [IP_ADDRESS]"
    for redactor in (Redactor(packs=("mac",)), RedactionFilter(packs=["mac", "gb"]).redactor):
        assert redactor.redact(text).text == "[MAC_ADDRESS] has [IP_ADDRESS] and [IP_ADDRESS]"
        assert redactor.redact_value({text[:17]: "001a.2b3c.4d5e"}) == (
            {"[MAC_ADDRESS]": "[MAC_ADDRESS]"},
            {"MAC_ADDRESS": 2},
        )
    kept = Redactor(packs=["mac"], actions={"network": "keep", "MAC_ADDRESS": "replace"})
    assert kept.redact(text).text == text.replace("00:1A:2B:3C:4D:5E", "[MAC_ADDRESS]")
    assert len({Redactor(packs=packs).digest for packs in ((), ("mac",), ("gb",))}) == 3


@given(texts(["10.0.0.1", "fe80::1", "2001:db8:1:2:3:4:5:6", "::", ":", "ff", "00:1A:2B:3C:4D:5E", "/24"]))
def test_gates_hide_nothing_and_labels_are_not_found_again(text: str) -> None:
    """Whatever is found passes the cheap gates; what was replaced stays as it is."""
    every = (*MATCHERS, *network.BY_CHOICE)
    found(every, text)
    assert all("[" not in value for _, value in found(every, replaced(every, text)))


@pytest.mark.parametrize("seed", ADVERSARIAL)
def test_repetitions_are_read_to_the_end(seed: str) -> None:
    """Long repetitions neither fail nor hide what stands behind them."""
    text = seed * (16_384 // len(seed)) + "\n; 192.168.1.10; fe80::1ff:fe23:4567:890a"
    values = [value for _, value in found(MATCHERS, text)]
    assert values[-2:] == ["192.168.1.10", "fe80::1ff:fe23:4567:890a"]
