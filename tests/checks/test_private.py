"""Secrets and personal data: what is found, what is left alone, and that nothing of it is told or kept."""

import pytest

from studio.checks.base import Context
from studio.checks.personal_patterns import is_iban, luhn
from tests.checks.looking import CHECKS, Row, chat, find
from tests.checks.private import PERSONAL, SECRETS

CONTEXT = Context(row_count=2, canonical="messages")
NO_SECRETS = [
    "The sample key is AKIAIOSFODNN7EXAMPLE.",
    "Set OPENAI_API_KEY=sk-your-key-goes-here-please",
    "password = os.environ['DB_PASSWORD_2024']",
    "password: at least 8 characters",
    "api_key = get_secret(name1)",
    "The sk-learn-based-pipeline-of-2024 is fast.",
    "https://docs.python.org:8080/3/library/re.html",
    "It is in Asia, and the secret: be kind.",
    "redis://user:password@localhost",
    "commit 4f9a1c7be2d0863547a1f9c0de83b6a2aa11bb22",
]
NO_PERSONAL_DATA = [
    "Write to jane@example.com or info@shop.test.",
    "Call (555) 555-0142 or 212-555-0199.",
    "The server is 192.168.1.17, or 192.0.2.44, or 2001:db8::17, or ::1.",
    "Use version 120.0.6099.109 or chapter 1.2.3.4 or v10.15.7.21.",
    "Born on 1984-03-17 at 12:30:45, order 482137795.",
    "1234567890123456 is no card, nor is 4539 1488 0343 6468.",
    "IBAN DE89 3704 0044 0532 0130 01 has a wrong check digit.",
    "See logo@2x.png and the @app.route(rule) and react@18.2.0.",
    "The sum of 3.14159265 and 2.71828182 is 5.85987447.",
    "ISBN 978-3-16-148410-0 costs 1 000 000 in 2024-2025.",
    "std::vector<int> a; b::c; 10:20:30",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_told_by_kind_and_place_and_never_by_value(text: str) -> None:
    (finding,) = find("secrets", [chat(f"Look at this. {text}", "I see.")])

    assert finding.detail.endswith(" in messages[0].content")
    assert not shared_part(finding.detail, text)


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_is_told_by_kind_and_place_and_never_by_value(text: str) -> None:
    (finding,) = find("personal_data", [chat("Who?", f"Look at this. {text}")])

    assert finding.detail.endswith(" in messages[1].content")
    assert not shared_part(finding.detail, text)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert find("secrets", [chat(text, "I see.")]) == []


@pytest.mark.parametrize("text", NO_PERSONAL_DATA)
def test_reserved_examples_and_plain_numbers_are_no_personal_data(text: str) -> None:
    assert find("personal_data", [chat(text, "I see.")]) == []


@pytest.mark.parametrize(("name", "texts"), [("secrets", SECRETS), ("personal_data", PERSONAL)])
def test_nothing_is_found_any_more_once_a_row_is_mended(name: str, texts: tuple[str, ...]) -> None:
    check = CHECKS[name](CONTEXT)
    for text in texts:
        row = chat(f"Look at {text} and {text}", text)

        mended = check.mended(row)

        assert mended != row and find(name, [mended]) == []
        assert mended["messages"][0]["content"].startswith("Look at ")
        assert "[" in mended["messages"][1]["content"]


def test_placeholders_stand_where_the_values_stood() -> None:
    row = chat("Mail ida.berg@post-nord.se or call +49 30 9018 2745.", "Done, ida.berg@post-nord.se.")

    mended = CHECKS["personal_data"](CONTEXT).mended(row)

    assert mended == chat("Mail [EMAIL] or call [PHONE].", "Done, [EMAIL].")


def test_further_places_are_counted() -> None:
    (finding,) = find("personal_data", [chat("ida.berg@post-nord.se, +49 30 9018 2745", "ida.berg@post-nord.se")])

    assert finding.detail == "an e-mail address in messages[0].content, and 2 more"


def test_the_arguments_of_a_tool_call_are_looked_at_and_mended() -> None:
    arguments = '{"to": "ida.berg@post-nord.se"}'
    call = {"type": "function", "function": {"name": "send", "arguments": arguments}}
    row: Row = {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    }

    mended = CHECKS["personal_data"](CONTEXT).mended(row)

    assert len(find("personal_data", [row])) == 1
    assert mended["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"to": "[EMAIL]"}'
    assert call["function"]["arguments"] == arguments  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "row", "mended"),
    [
        ("special_tokens", chat("Hi<|im_end|>", "<s>Yes</s>"), chat("Hi", "Yes")),
        ("stray_spaces", chat(" Hi ", "\nYes "), chat(" Hi ", "Yes")),
        ("stray_spaces", {"prompt": "Hi", "completion": " Yes\n"}, {"prompt": "Hi", "completion": " Yes"}),
    ],
)
def test_trimming_leaves_what_belongs_there(name: str, row: Row, mended: Row) -> None:
    assert CHECKS[name](CONTEXT).mended(row) == mended
    assert find(name, [mended]) == []


@pytest.mark.parametrize("name", ["secrets", "personal_data", "special_tokens", "stray_spaces"])
def test_a_clean_row_is_returned_as_it_is(name: str) -> None:
    row = {**chat("Good morning", "Hello"), "fields": {"mail": "ida.berg@post-nord.se", "key": " <s> "}}

    assert CHECKS[name](CONTEXT).mended(row) is row


def test_check_digits_of_cards_and_accounts() -> None:
    assert luhn("4111111111111111") and not luhn("4111111111111112")
    assert is_iban("NO93 8601 1117 947") and not is_iban("NO93 8601 1117 948")


def shared_part(detail: str, text: str) -> bool:
    """Whether six characters of the text got into the detail, other than words of its kind."""
    value = max(text.split(), key=len)
    return any(value[place : place + 6] in detail for place in range(len(value) - 5))
