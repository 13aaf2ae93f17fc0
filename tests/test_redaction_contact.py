"""E-mail addresses and telephone numbers: what is found and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from redaction_cases import ADVERSARIAL, found, replaced, texts

from or_audit_logging.redaction import contact, numbers

MATCHERS = (*contact.MATCHERS, *numbers.MATCHERS)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("write to ann@example.com.", "ann@example.com"),
        ("<o'brien@corp.ie>", "o'brien@corp.ie"),
        ("email='bob@example.com'", "bob@example.com"),
        ("mailto:first.last+tag@sub.example.co.uk?subject=x", "first.last+tag@sub.example.co.uk"),
        ("reply-to=bob@example.com,", "bob@example.com"),
        ("müller@bücher.de", "müller@bücher.de"),
        ("用户@例子.公司", "用户@例子.公司"),
        ("请联系ann@example.cn谢谢", "ann@example.cn"),
        ("जॉन@डाक.भारत", "जॉन@डाक.भारत"),
        ("user@xn--80ak6aa92e.com today", "user@xn--80ak6aa92e.com"),
        ("bounce+ann=example.com@list.org", "bounce+ann=example.com@list.org"),
        ("hi\\nbob@corp.com", "bob@corp.com"),
        ("\\u003cbob@corp.com\\u003e", "bob@corp.com"),
        ("login root@10.0.0.1", "root@10.0.0.1"),
        ("|ann@corp.com|", "ann@corp.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("ann@example.com-old", "ann@example.com"),
        ("alice@corp.com:hunter2", "alice@corp.com"),
        ("HELLO@EXAMPLE.COM", "HELLO@EXAMPLE.COM"),
    ],
)
def test_addresses_are_found_whole(text: str, address: str) -> None:
    """From the first character of the local part to the last of the domain, and nothing beside."""
    assert ("EMAIL", address) in found(contact.MATCHERS, text)


@pytest.mark.parametrize(
    "text",
    [
        "logo@2x.png",
        "icon@brand.svg",
        "git@github.com:org/repo.git",
        "ssh://git@github.com/org/repo",
        "react@18.2.0 and lodash@v4.17.21",
        "pkg@1.0.0-rc.next",
        "user@host",
        "@app.route('/x')",
        "a @ b.com",
        "@",
        "@@example.com",
        "x@y.z",
        "x@.com",
        "[EMAIL]",
    ],
)
def test_what_only_has_an_at_sign_is_left(text: str) -> None:
    """Pictures, repositories, versions, hosts without a dot and decorators."""
    assert found(contact.MATCHERS, text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+14155552671", "+14155552671"),
        ("+1 415-555-2671 now", "+1 415-555-2671"),
        ("+44 (0)20 7946 0958.", "+44 (0)20 7946 0958"),
        ("+44 (20) 7946-0958", "+44 (20) 7946-0958"),
        ("+49/30/1234567", "+49/30/1234567"),
        ("+33 1 23 45 67 89", "+33 1 23 45 67 89"),
        ("+1.7035555555", "+1.7035555555"),
        ("+1 415 555 2671 2024-01-02", "+1 415 555 2671"),
        ("tel:+4930123456", "+4930123456"),
        ("(415) 555-2671", "(415) 555-2671"),
        ("(415)555-2671", "(415)555-2671"),
        ("415-555-2671, 10 am", "415-555-2671"),
        ("415.555.2671", "415.555.2671"),
        ("415 555 2671", "415 555 2671"),
        ("415/555-2671", "415/555-2671"),
        ("1-800-555-1234", "1-800-555-1234"),
        ("001-253-366-9781", "001-253-366-9781"),
        ("(579)888-3058x0135", "(579)888-3058x0135"),
        ("415-555-2671 ext. 503", "415-555-2671 ext. 503"),
        ("020 7946 0958", "020 7946 0958"),
        ("(0131) 776 4312", "(0131) 776 4312"),
        ("01 23 45 67 89", "01 23 45 67 89"),
        ("01.84.17.61.18", "01.84.17.61.18"),
        ("030/1234567 oder so", "030/1234567"),
        ("07400 126767", "07400 126767"),
        ("0049 30 1234567", "0049 30 1234567"),
        ("phone: 4155552671", "4155552671"),
        ('{"phone_number": "02079460958"}', "02079460958"),
        ("call me at 5551234567", "5551234567"),
        ("Teléfono 983 45 65 72", "983 45 65 72"),
        ("Handynummer 0171 1234567", "0171 1234567"),
        ("You can reach her on 5123 4988 tomorrow", "5123 4988"),
        ("Fax\t432 03 163", "432 03 163"),
        ("28-64-66-98 office\n", "28-64-66-98"),
        ("我的电话: 13812345678", "13812345678"),
        ("said\\n(415) 555-2671", "(415) 555-2671"),
    ],
)
def test_telephone_numbers_are_found_whole(text: str, number: str) -> None:
    """International, North American, with a trunk 0, and what words announce; extensions with them."""
    assert ("PHONE", number) in found(numbers.MATCHERS, text)


@pytest.mark.parametrize(
    "text",
    [
        "gen-1718900000-abcdefghijklmnop",
        "created=1718900000 call at 1718900000",
        '{"phone": null, "created": 1718900000}',
        "cost 0.1234567890, 12.3456789",
        "+0.12345678 and +12.345678",
        "2026-11-21T10:30:45.123456+01:00",
        "21.11.2026, 11/21/2026, 2026-11-21 10:30:45,123",
        "01-02-2024 01.02.2024 01/02/2024",
        "call 20240102",
        "978-3-16-148410-0 and 978 3 16 148410 0",
        "id_4155552671 x4155552671 4155552671abc",
        "123.456.7890",
        "part number: 555-123-4567-A",
        "phone order id 4155552671",
        "07030-9289 70725-9289",
        "550e8400-e29b-41d4-a716-446655440000",
        "27 46 70 54 42 46 1 17",
        "9679-12825",
        "tokens=1234567 took 1234567 ms",
        "telemetry 1234567, hotel 1234567, recall 1234567",
        "/v1/items/4155552671",
        "-79.148489,90.793319",
        "$184,626,626.47",
        "call 1234567890123456789",
        "sha256:4155552671e0",
        "[PHONE]",
    ],
)
def test_other_numbers_are_no_telephones(text: str) -> None:
    """Times, costs, versions, dates, ISBNs, ids and sequences."""
    assert [kind for kind, _ in found(numbers.MATCHERS, text) if kind == "PHONE"] == []


@given(
    texts(["ann@example.com", "+1 415 555 2671", "(415) 555-2671", "phone ", "call me at ", "mailto:", "x@y"])
)
def test_gates_hide_nothing_and_labels_are_not_found_again(text: str) -> None:
    """Whatever is found passes the cheap gates; what was replaced stays as it is."""
    found(MATCHERS, text)
    once = replaced(MATCHERS, text)
    assert all("[" not in value for _, value in found(MATCHERS, once))


@pytest.mark.parametrize("seed", ADVERSARIAL)
def test_repetitions_are_read_to_the_end(seed: str) -> None:
    """Long repetitions neither fail nor hide what stands behind them."""
    text = seed * (16_384 // len(seed)) + "\n; write to ann@example.com; (415) 555-2671"
    values = [value for _, value in found(MATCHERS, text)]
    assert values[-2:] == ["ann@example.com", "(415) 555-2671"]
