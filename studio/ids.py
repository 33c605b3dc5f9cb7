"""Identifiers: a prefix that says the noun, then a time-ordered UUID (version 7, RFC 9562) in base 32."""

import re

import uuid_utils

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_PATTERN = re.compile(r"^[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}$")


def new_id(prefix: str) -> str:
    """Make an id such as `run_01jd...`; ids of one prefix sort by the time they were made."""
    number = uuid_utils.uuid7().int
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(digits))}"
