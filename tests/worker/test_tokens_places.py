"""Answers are found by the special tokens around them exactly where the offsets of tokens say they are."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, normalizers
from transformers import AutoTokenizer

from studio import base_models
from worker.rows import NumberedRow
from worker.tokens_encode import RowEncoder

from .test_chat import FAMILIES, Family

# What has merges, or joins with its neighbours: letters, breaks, spaces, marks above letters, parts of special tokens.
pieces = st.sampled_from(
    ["order", " late", "\n", "\n\n", " ", "e", "\u0301", "\u1100\u1161", "é", "<|im_", "end|>", "\t", "7", "😀"]
)
texts = st.lists(pieces, max_size=8).map("".join)


def with_merges(family: Family, *, normalised: bool = False) -> Any:
    """The bundled tokenizer, which has learned merges, with the template and the special tokens of a family."""
    tokenizer = AutoTokenizer.from_pretrained(base_models.demo_folder())
    tokenizer.add_special_tokens({"additional_special_tokens": list(family.special)})
    tokenizer.chat_template = family.template.read_text()
    tokenizer.bos_token = family.bos or family.special[0]
    if normalised:
        tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def rows_of(contents: list[str]) -> list[NumberedRow]:
    roles = ["user", "assistant"] * len(contents)
    turns = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return [NumberedRow(number, {"messages": turns[: 2 * number]}) for number in range(1, len(contents) // 2 + 1)]


@pytest.mark.parametrize("name", ["smollm2", "qwen2.5", "qwen3-2507", "llama3.2"])
@settings(max_examples=60, deadline=None)
@given(contents=st.lists(texts, min_size=2, max_size=6))
def test_places_are_those_of_the_offsets(name: str, contents: list[str]) -> None:
    tokenizer = ENCODERS.setdefault(name, with_merges(FAMILIES[name], normalised=name.startswith("qwen")))

    quick = RowEncoder(tokenizer, "answers")
    found = list(quick.encode(rows_of(contents)))
    known = list(RowEncoder(tokenizer, "answers", quick=False).encode(rows_of(contents)))

    assert quick._places is not None
    assert [(row.ids.tolist(), row.answers, row.length) for row in found] == [
        (row.ids.tolist(), row.answers, row.length) for row in known
    ]


ENCODERS: dict[str, Any] = {}


def test_common_rows_need_no_offsets() -> None:
    encoder = RowEncoder(with_merges(FAMILIES["smollm2"]), "answers")

    list(encoder.encode(rows_of(["late order?", "It is late.", "Sure?", "Yes."])))

    assert (encoder._found, encoder._missed) == (2, 0)


def test_a_special_token_that_takes_the_spaces_around_it_is_no_mark() -> None:
    tokenizer = with_merges(FAMILIES["smollm2"])
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<|x|>", rstrip=True)]})

    assert RowEncoder(tokenizer, "answers")._places is None
