"""Masks of every family of chat templates, token by token: what is learned is what the assistant says and its end."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from studio.base_models import curated
from studio.errors import InvalidInput
from worker.chat import dated
from worker.data import IGNORED, RowTokenizer, TokenRow
from worker.rows import NumberedRow
from worker.tokens_encode import RowEncoder

from .conftest import make_spec

OWN = Path(__file__).parents[1] / "data" / "templates"
_TRL = importlib.util.find_spec("trl")
assert _TRL is not None and _TRL.origin is not None
TRL = Path(_TRL.origin).parent / "chat_templates"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a town.",
            "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
        },
    }
]
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"town": "Bonn"}}}


@dataclass(frozen=True)
class Family:
    """A template, its special tokens, and what stands before and after each answer."""

    template: Path
    opening: str
    end: str
    special: tuple[str, ...]
    covers: tuple[str, ...]
    before_last: str = ""
    before: str = ""
    only_last: bool = False
    has_system: bool = True
    has_tools: bool = False
    bos: str | None = None


CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
IM = "<|im_start|>assistant\n"
LLAMA = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>")
HEADER = "<|start_header_id|>assistant<|end_header_id|>\n\n"
GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
MODEL = "<start_of_turn>model\n"
PHI = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")
THOUGHT = "<think>\n\n</think>\n\n"

FAMILIES = {
    "smollm2": Family(OWN / "smollm2.jinja", IM, "<|im_end|>", CHATML, ("SmolLM2",)),
    "smollm3": Family(OWN / "smollm3.jinja", IM, "<|im_end|>", CHATML, ("SmolLM3",), has_tools=True),
    "qwen2.5": Family(TRL / "qwen2_5.jinja", IM, "<|im_end|>", CHATML, ("Qwen2.5",), has_tools=True),
    "qwen3": Family(
        TRL / "qwen3.jinja", IM, "<|im_end|>", CHATML, ("Qwen3-",), THOUGHT, only_last=True, has_tools=True
    ),
    "qwen3-2507": Family(
        TRL / "qwen3_instruct_2507.jinja", IM, "<|im_end|>", CHATML, ("Qwen3-4B-Instruct-2507",), has_tools=True
    ),
    "llama3.1": Family(
        TRL / "llama3_1.jinja", HEADER, "<|eot_id|>", LLAMA, ("Llama-3.1",), has_tools=True, bos="<|begin_of_text|>"
    ),
    "llama3.2": Family(
        TRL / "llama3_2.jinja", HEADER, "<|eot_id|>", LLAMA, ("Llama-3.2",), has_tools=True, bos="<|begin_of_text|>"
    ),
    "mistral": Family(
        OWN / "mistral_v0_3.jinja",
        "[/INST]",
        "</s>",
        ("<s>", "</s>", "[INST]", "[/INST]"),
        ("Mistral-7B-Instruct-v0.3",),
        before_last=" ",
        before=" ",
        bos="<s>",
        has_system=False,
    ),
    "gemma2": Family(TRL / "gemma.jinja", MODEL, "<end_of_turn>", GEMMA, ("gemma-2",), has_system=False, bos="<bos>"),
    "gemma3": Family(TRL / "gemma3.jinja", MODEL, "<end_of_turn>", GEMMA, ("gemma-3",), bos="<bos>"),
    "phi3.5": Family(TRL / "phi3_5.jinja", "<|assistant|>\n", "<|end|>", PHI, ("Phi-3.5",)),
    "phi4-mini": Family(OWN / "phi4_mini.jinja", "<|assistant|>", "<|end|>", PHI, ("Phi-4-mini",)),
    "phi4": Family(
        OWN / "phi4.jinja", "<|im_start|>assistant<|im_sep|>", "<|im_end|>", (*CHATML, "<|im_sep|>"), ("phi-4",)
    ),
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
with_tools = pytest.mark.parametrize(
    "family",
    [one for one in FAMILIES.values() if one.has_tools],
    ids=[n for n, one in FAMILIES.items() if one.has_tools],
)


def make_tokenizer(family: Family) -> Any:
    """One token for each byte and one for each special token, so that every token can be told from its text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({character: place for place, character in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    end = "</s>" if "</s>" in family.special else "<|endoftext|>" if "<|endoftext|>" in family.special else family.end
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=end,
        pad_token=end,
        additional_special_tokens=list(family.special),
        chat_template=family.template.read_text(encoding="utf-8"),
    )


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "Be short."}
TURNS = [user("Hello, who are you?"), assistant("I am Ada."), user("Bye"), assistant("See you, naïve 漢字.")]


def tokenise(family: Family, messages: list[dict[str, Any]], tools: Any = None) -> tuple[Any, TokenRow]:
    tokenizer = make_tokenizer(family)
    row = {"messages": messages} | ({"tools": tools} if tools else {})
    result = RowTokenizer(tokenizer, make_spec(), 10_000).tokenise([NumberedRow(1, row)])
    return tokenizer, result.rows[0]


def stretches(tokenizer: Any, row: TokenRow) -> list[tuple[bool, str]]:
    """The row as text, told token by token: whether it is learned, and what it says."""
    found: list[tuple[bool, list[int]]] = []
    for token, label in zip(row.input_ids, row.labels, strict=True):
        assert label in (IGNORED, token)
        is_learned = label != IGNORED
        if not found or found[-1][0] != is_learned:
            found.append((is_learned, []))
        found[-1][1].append(int(token))
    return [(is_learned, tokenizer.decode(ids)) for is_learned, ids in found]


def check(family: Family, messages: list[dict[str, Any]], answers: list[str]) -> None:
    tokenizer, row = tokenise(family, messages)
    found = stretches(tokenizer, row)
    text = tokenizer.apply_chat_template(messages, chat_template=dated(tokenizer.chat_template), tokenize=False)

    assert [said for is_learned, said in found if is_learned] == answers
    assert all(said.endswith(family.opening) for is_learned, said in found if not is_learned)
    assert text.startswith("".join(said for _, said in found))
    assert tokenizer(text, add_special_tokens=False).input_ids[: len(row.input_ids)] == list(row.input_ids)


def answers_of(family: Family, *contents: str) -> list[str]:
    *earlier, last = contents
    shown = [] if family.only_last else [family.before + content + family.end for content in earlier]
    return [*shown, family.before_last + last + family.end]


def test_every_base_model_of_the_catalogue_has_a_family_here() -> None:
    covered = [name for family in FAMILIES.values() for name in family.covers]

    assert [model.id for model in curated() if not any(name in model.id for name in covered)] == []


@every_family
def test_every_answer_is_learned_with_its_end_and_nothing_else(family: Family) -> None:
    check(family, TURNS, answers_of(family, "I am Ada.", "See you, naïve 漢字."))


@every_family
def test_a_single_turn_is_learned(family: Family) -> None:
    check(family, TURNS[:2], answers_of(family, "I am Ada."))


@every_family
def test_a_system_prompt_is_only_read(family: Family) -> None:
    if not family.has_system and family.template.name == "gemma.jinja":
        with pytest.raises(InvalidInput, match="Row 1: the base model's chat template refuses it: System role"):
            tokenise(family, [SYSTEM, *TURNS])
        return

    tokenizer, row = tokenise(family, [SYSTEM, *TURNS])

    learned = [said for is_learned, said in stretches(tokenizer, row) if is_learned]
    assert learned[-1:] == answers_of(family, "I am Ada.", "See you, naïve 漢字.")[-1:]
    assert not any("Be short." in said for said in learned)
    assert any("Be short." in said for is_learned, said in stretches(tokenizer, row) if not is_learned)


def test_a_template_that_asks_for_the_date_is_given_the_same_one_every_day() -> None:
    family = FAMILIES["llama3.2"]
    tokenizer, row = tokenise(family, TURNS)

    assert "Today Date: 26 Jul 2024" in tokenizer.decode(row.input_ids)
    assert tokenizer.chat_template == family.template.read_text(encoding="utf-8")
    assert dated(tokenizer.chat_template) is not None
    assert "strftime_now(" not in str(dated(tokenizer.chat_template))


@every_family
def test_an_answer_of_weight_0_is_only_read(family: Family) -> None:
    masked = [TURNS[0], assistant("I am Ada.", weight=0), *TURNS[2:]]

    check(family, masked, answers_of(family, "I am Ada.", "See you, naïve 漢字.")[-1:])


@every_family
def test_a_row_whose_answers_all_have_weight_0_teaches_nothing(family: Family) -> None:
    masked = [turn | ({"weight": 0} if turn["role"] == "assistant" else {}) for turn in TURNS]
    encoder = RowEncoder(make_tokenizer(family), "answers")

    (row,) = encoder.encode([NumberedRow(1, {"messages": masked})])

    assert (row.answers, row.length, row.problem) == ((), 0, "")


@with_tools
def test_a_tool_call_is_learned_and_its_result_is_only_read(family: Family) -> None:
    messages = [
        user("Weather in Bonn?"),
        assistant("", tool_calls=[CALL]),
        {"role": "tool", "content": "rain, 12 degrees"},
        assistant("It rains."),
    ]

    tokenizer, row = tokenise(family, messages, TOOLS)

    learned = [said for is_learned, said in stretches(tokenizer, row) if is_learned]
    assert learned[-1].endswith(f"It rains.{family.end}")
    assert not any("rain, 12 degrees" in said or "The weather of a town" in said for said in learned)
    if not family.only_last:
        assert "weather" in learned[0] and "Bonn" in learned[0]
        assert learned[0].endswith(tuple(family.special))


def test_thinking_is_learned_with_the_last_answer() -> None:
    family = FAMILIES["qwen3"]
    messages = [*TURNS[:3], assistant("<think>\nShe leaves.\n</think>\n\nSee you.")]

    check(family, messages, ["<think>\nShe leaves.\n</think>\n\nSee you.<|im_end|>"])


@every_family
def test_one_rendering_finds_what_several_find(family: Family) -> None:
    tokenizer = make_tokenizer(family)
    many = [
        [
            user(f"Question {number}?"),
            assistant(f"Answer {number * 7}."),
            user(f"{number} more?"),
            assistant("No." * number),
        ]
        for number in range(1, 9)
    ]
    odd = [
        [user("I am Ada."), assistant("I am Ada."), user("No."), assistant("No.")],
        [
            user(f"Say {family.opening}"),
            assistant(f"x {family.end} y"),
            user(family.end),
            assistant(family.opening + "z"),
        ],
        [user("?"), assistant(" spaced \n"), user("?"), assistant("<think>a</think>b")],
    ]
    rows = [NumberedRow(number, {"messages": turns}) for number, turns in enumerate([*many, *odd, *many], start=1)]

    quick = list(RowEncoder(tokenizer, "answers").encode(rows))
    slow = list(RowEncoder(tokenizer, "answers", quick=False).encode(rows))

    assert [(row.ids.tolist(), row.answers, row.only_last, row.problem) for row in quick] == [
        (row.ids.tolist(), row.answers, row.only_last, row.problem) for row in slow
    ]
