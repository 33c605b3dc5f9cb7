"""How personal data looks: e-mail, phone, IBAN, card, IP address and US social security number.

Left alone is what was set aside for examples: example.com and its like (RFC 2606, 6761), telephone numbers 555-0100 to
555-0199, addresses for documentation (RFC 5737, 3849) and private networks. Card numbers for tests pass the check of
their digits and are told: nobody can tell them from real ones by their form.
"""

import ipaddress
import re

from studio.checks.private import Pattern, Patterns

_RESERVED_DOMAINS = re.compile(
    r"(?i)@(?:[\w-]+\.)*(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local|email\.com|domain\.com)$"
)
_FILE_ENDINGS = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "py"})
_FICTION = re.compile(r"555\D{0,2}01\d\d$")
# Of the registry of ISO 13616.
_IBAN_LENGTHS = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI NL"),
        (19, "SI"),
        (20, "AT EE LT LU"),
        (21, "CH HR LI LV"),
        (22, "BG DE GB IE RS"),
        (23, "AE IL"),
        (24, "AD CZ ES RO SA SE SK"),
        (25, "PT"),
        (26, "IS TR"),
        (27, "FR GR IT MC SM"),
        (28, "CY HU PL"),
        (29, "UA"),
        (31, "MT"),
    )
    for country in countries.split()
}
_CARDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
)
_SEPARATED = r"(?:[ .()/-]{0,2}[0-9])"


def _digits(text: str) -> str:
    return "".join(character for character in text if "0" <= character <= "9")


def _is_somebodys(address: str) -> bool:
    return not _RESERVED_DOMAINS.search(address) and address.rpartition(".")[2].lower() not in _FILE_ENDINGS


def _is_phone(number: str) -> bool:
    """As long as the E.164 plan allows, not all one digit, and not one of those for fiction."""
    digits = _digits(number)
    return 7 <= len(digits) <= 15 and len(set(digits)) > 2 and not _FICTION.search(number)


def _is_card(number: str) -> bool:
    digits = _digits(number)
    return bool(_CARDS.fullmatch(digits)) and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: every second digit from the right is doubled."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """ISO 13616: the length of its country, and 1 modulo 97."""
    compact = text.replace(" ", "")
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def _is_somewhere(address: str) -> bool:
    """An address of the public internet; four single digits are a version or a chapter, or a well-known resolver."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    if known.version == 4:
        return known.is_global and any(len(part) > 1 for part in address.split("."))
    return known.is_global and known in ipaddress.ip_network("2000::/3")


def _iban_regex() -> re.Pattern[str]:
    """One alternative a length, so that what follows a number does not become a part of it."""
    countries: dict[int, list[str]] = {}
    for country, length in _IBAN_LENGTHS.items():
        countries.setdefault(length, []).append(country)
    kinds = (f"(?:{'|'.join(names)})[0-9]{{2}}(?: ?[A-Z0-9]){{{length - 4}}}" for length, names in countries.items())
    return re.compile(rf"\b(?:{'|'.join(kinds)})(?![A-Za-z0-9])")


def _phone(regex: str, *marks: str) -> Pattern:
    return Pattern("a phone number", "[PHONE]", marks, re.compile(regex), _is_phone)


_ADDRESSES = (
    Pattern(
        "an e-mail address",
        "[EMAIL]",
        ("@",),
        re.compile(
            r"(?:(?<![\w.+/@:-])|(?<=ail:|lto:))[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b(?![@:])"
        ),
        _is_somebodys,
    ),
    Pattern(
        "an IPv6 address",
        "[IP]",
        ("::", "2a0", "2001:", "2003:", "240", "260"),
        re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{4,34}(?![\w:])"),
        _is_somewhere,
    ),
)
# Of these, every one has a run of digits, signs between them or not, which is looked for first.
DIGIT_RUN = re.compile(r"[0-9][0-9 .()/-]{5,}[0-9]")
_NUMBERED = (
    Pattern("an IBAN", "[IBAN]", (), _iban_regex(), is_iban),
    Pattern("a card number", "[CARD]", (), re.compile(r"(?<![\w.-])[2-6](?:[ -]?[0-9]){12,18}(?![\w-])"), _is_card),
    Pattern(
        "a US social security number",
        "[SSN]",
        ("-",),
        re.compile(r"(?<![\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-])"),
    ),
    Pattern(
        "an IP address",
        "[IP]",
        (".",),
        re.compile(r"(?:(?<=//)|(?<![\w./-])(?<!ersion ))(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])(?!\w)"),
        _is_somewhere,
    ),
    _phone(rf"(?<![\w.+])\+[1-9]{_SEPARATED}{{7,14}}(?![\w-])", "+"),
    _phone(
        r"(?<![\w.-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-.][0-9]{4}"
        r"(?![\w.-]*[0-9])",
        "-",
        ".",
    ),
    _phone(
        r"(?i)\b(?:tele(?:ph|f)one?|tel|phone|call|mobile?|fax|whatsapp|handy)\b"
        rf"(?:[.:,\s]|number|me|us|at|on|is|no|nr){{0,6}}(\(?[0-9]{_SEPARATED}{{6,14}})(?![\w-])",
        *("tel", "phone", "call", "mobil", "fax", "whatsapp", "handy"),
    ),
    _phone(
        r"(?<![\w.+/,-])0[1-9](?:(?:[ .][0-9]{2}){4}|[0-9]{1,3}[ /-][0-9]{3,4}[ -]?[0-9]{4,5})"
        r"(?![\w.-]*[0-9])",
        "0",
    ),
)
ADDRESSES = Patterns(_ADDRESSES)
PERSONAL = Patterns((*_ADDRESSES, *_NUMBERED))
