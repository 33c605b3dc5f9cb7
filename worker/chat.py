"""Renders conversations with the base model's chat template and finds the answers in the text.

It works for templates without generation tags: an answer is what a rendering gains when its message is added.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from studio.errors import InvalidInput, StudioError

Message = dict[str, Any]
Span = tuple[int, int]

# Used when a base model comes without a chat template. Its marks are plain text, because such a tokenizer has no
# special tokens for roles, and adding some would need new embeddings.
DEFAULT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '### ' + message['role']|capitalize + ':\\n' + (message['content'] or '') }}"
    "{%- if message['role'] == 'assistant' %}{{- eos_token }}{%- endif %}{{- '\\n\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '### Assistant:\\n' }}{%- endif %}"
)
# Private-use characters stand for a special token that somebody typed; see `shield`.
_STAND_IN = re.compile("\ue000([0-9]+)\ue001")
# The date that Llama's templates write where they know no clock. Every day would make other rows of the same data.
DATE = date(2024, 7, 26)
_CLOCK = re.compile(r"""strftime_now\(\s*("[^"'{}]*"|'[^"'{}]*')\s*\)""")
# A row has 4 MiB at most, and a template adds little to it.
LONGEST_TEXT = 64 << 20
# What a template's own mistakes raise: text added to nothing, a missing key, a macro that calls itself.
_FAULTS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
_template_error = chat_template_utils.jinja2.exceptions.TemplateError


class TooMuchText(StudioError):
    """A template writes without end: no row is worth trying after this one."""

    code = "too_much_text"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A row as text; `answers` are the character spans to learn, `literals` what the stand-ins stand for."""

    number: int
    text: str
    answers: tuple[Span, ...]
    literals: tuple[str, ...] = ()
    only_last: bool = False


class Chat:
    """A tokenizer's chat template, ready to render rows."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.had_template = bool(tokenizer.chat_template)
        if not self.had_template:
            bos = "{{- bos_token }}" if adds_bos(tokenizer) else ""
            tokenizer.chat_template = bos + DEFAULT_TEMPLATE
        self._tokenizer = tokenizer
        self._template = dated(tokenizer.chat_template)
        self._constants = {**tokenizer.special_tokens_map, "add_generation_prompt": False}
        special = sorted(special_texts(tokenizer), key=len, reverse=True)
        self._special = tuple(special)
        self._forged = re.compile("|".join(map(re.escape, special))) if special else None

    def render_row(
        self, number: int, messages: list[Message], tools: Any, first_answer: int, *, needs_answers: bool = True
    ) -> Rendered:
        """Render a conversation; assistant turns from index `first_answer` on are its answers, but for weight 0.

        Falls back to the last turn alone where the template rewrites earlier ones (such as removing their
        thinking). Raises InvalidInput if the template refuses the row, or if it `needs_answers` and none can be found
        in its text.
        """
        turns = answer_turns(messages, first_answer)
        messages, tools, literals = self.shielded(messages, tools)
        render = self.renderer(number, tools)
        text = render(messages)
        if not turns:
            return Rendered(number, text, (), literals)
        spans = [self._answer_span(render, text, messages, index) for index in turns]
        answers = tuple(span for span in spans if span)
        only_last = len(answers) < len(spans)
        if only_last:
            answers = answers[-1:] if spans[-1] else ()
        if not answers and needs_answers and turns[-1] == len(messages) - 1:
            text, answers = self._as_answered(render, text, messages)
        if not answers and not needs_answers:
            return Rendered(number, text, (), literals, only_last)
        if not answers:
            raise InvalidInput(
                f"Row {number}: the base model's chat template rewrites the conversation, so that its answers cannot "
                "be found in the text. Choose to learn from everything, or another base model."
            )
        return self.finished(Rendered(number, text, answers, literals, only_last))

    def render_prompt(self, number: int, messages: list[Message], tools: Any) -> Rendered:
        """Render a conversation that waits for an answer."""
        messages, tools, literals = self.shielded(messages, tools)
        return Rendered(number, self.renderer(number, tools)(messages, True), (), literals)

    def _answer_span(self, render: Callable[..., str], text: str, messages: list[Message], index: int) -> Span | None:
        """The characters of one assistant turn with its end mark, or None if the template does not keep prefixes."""
        closed = text if index == len(messages) - 1 else render(messages[: index + 1])
        end = self._end_of_turn(closed)
        if text[:end] != closed[:end]:
            return None
        if index == 0:
            content = (messages[0].get("content") or "").strip()
            return _span(max(0, closed.find(content)), end, closed)
        opened = render(messages[:index], True)
        start = _common_start(opened, closed)
        if start < len(opened) and not closed.startswith(render(messages[:index]).rstrip()):
            return None
        return _span(start, end, closed)

    def _as_answered(
        self, render: Callable[..., str], closed: str, messages: list[Message]
    ) -> tuple[str, tuple[Span, ...]]:
        """The prompt as it is when the last answer is asked for, and that answer as the template writes it behind it.

        For templates that write the system text only into a question that comes last (Mistral's): with the answer
        behind the question they leave it out.
        """
        asked, answer = messages[-2].get("content") if len(messages) > 1 else None, messages[-1].get("content")
        if not (isinstance(asked, str) and isinstance(answer, str) and asked.strip() and answer.strip()):
            return closed, ()
        opened = render(messages[:-1], True)
        question = opened[max(0, opened.rfind(asked.strip())) :]
        start = closed.rfind(question, 0, max(0, closed.rfind(answer.strip()))) + len(question)
        end = self._end_of_turn(closed)
        if start < len(question) or closed[start:end].strip().find(answer.strip()) != 0:
            return closed, ()
        text = opened + closed[start:end]
        return text, ((len(opened), len(text)),)

    def _end_of_turn(self, closed: str) -> int:
        """Where the last turn ends; some templates (Phi's) write one end of text more, after the whole conversation."""
        closed = closed.rstrip()
        before = closed.removesuffix(str(self._tokenizer.eos_token or "")).rstrip()
        return len(before) if before.endswith(self._special) else len(closed)

    def finished(self, row: Rendered) -> Rendered:
        """Without a mark after the last answer the model would never learn to stop: add the end of text there."""
        (*before, (start, end)), text = row.answers, row.text
        if text[end:].strip() or text[:end].endswith(self._special) or not self._tokenizer.eos_token:
            return row
        text = text[:end] + str(self._tokenizer.eos_token)
        return replace(row, text=text, answers=(*before, (start, len(text))))

    def renderer(self, number: int, tools: Any) -> Callable[..., str]:
        def attempt(messages: list[Message], add_generation_prompt: bool) -> str:
            try:
                return str(
                    self._tokenizer.apply_chat_template(
                        messages,
                        tools=tools,
                        chat_template=self._template,
                        tokenize=False,
                        add_generation_prompt=add_generation_prompt,
                    )
                )
            except _template_error as error:
                reason = str(error).rstrip(".")
                raise InvalidInput(f"Row {number}: the base model's chat template refuses it: {reason}.") from error
            except _FAULTS as error:
                sentence = (
                    f"Row {number}: the base model's chat template has a fault ({type(error).__name__}: {error})."
                )
                raise InvalidInput(sentence) from error

        def render(messages: list[Message], add_generation_prompt: bool = False) -> str:
            text = attempt(messages, add_generation_prompt)
            if len(text) > LONGEST_TEXT:
                raise TooMuchText(
                    f"Row {number}: the base model's chat template makes a text of {len(text):,} characters of it; "
                    f"{LONGEST_TEXT:,} are the limit."
                )
            return text

        return render

    def rendered_directly(self, messages: list[Message], tools: Any) -> str | None:
        """The same text without the copy that transformers makes of each conversation; None where only that can tell.

        To be compared with `renderer` now and then: the compiled template is not part of transformers' interface.
        """
        try:
            compiled = chat_template_utils._compile_jinja_template(self._template or self._tokenizer.chat_template)
            text = str(compiled.render(messages=messages, tools=tools, documents=None, **self._constants))
        except (_template_error, *_FAULTS):
            return None
        return text if len(text) <= LONGEST_TEXT else None

    def shielded(self, messages: list[Message], tools: Any) -> tuple[list[Message], Any, tuple[str, ...]]:
        """Put stand-ins for special tokens that somebody typed, so that a text cannot forge a role or an end."""
        if self._forged is None or not self._is_forged([messages, tools]):
            return messages, tools, ()
        literals: list[str] = []
        forged = self._forged

        def stand_in(match: re.Match[str]) -> str:
            literals.append(match.group())
            return f"\ue000{len(literals) - 1}\ue001"

        def walk(value: Any) -> Any:
            if isinstance(value, str):
                return forged.sub(stand_in, value)
            if isinstance(value, list):
                return [walk(item) for item in value]
            if isinstance(value, dict):
                return {key: walk(item) for key, item in value.items()}
            return value

        return walk(messages), walk(tools), tuple(literals)

    def _is_forged(self, value: Any) -> bool:
        assert self._forged is not None
        if isinstance(value, str):
            return self._forged.search(value) is not None
        if isinstance(value, dict):
            value = value.values()
        return isinstance(value, Iterable) and any(map(self._is_forged, value))


def dated(template: Any) -> str | None:
    """A template with one date in place of today's; None where it asks for none, or is one of several."""
    if not isinstance(template, str) or not _CLOCK.search(template):
        return None
    return _CLOCK.sub(lambda asked: repr(DATE.strftime(literal_eval(asked.group(1)))), template)


def answer_turns(messages: Sequence[Message], first_answer: int) -> list[int]:
    """The places of the turns that are learned: assistant's, from `first_answer` on, and not of weight 0."""
    return [
        index
        for index, message in enumerate(messages)
        if index >= first_answer and message["role"] == "assistant" and message.get("weight", 1) != 0
    ]


def split_literals(rendered: Rendered) -> list[tuple[int, str, bool]]:
    """Cut a text at its stand-ins: (start in the text, piece, whether it is to be read literally)."""
    if not rendered.literals:
        return [(0, rendered.text, False)]
    pieces, start = [], 0
    for match in _STAND_IN.finditer(rendered.text):
        if int(match.group(1)) < len(rendered.literals):
            pieces.append((start, rendered.text[start : match.start()], False))
            pieces.append((match.start(), rendered.literals[int(match.group(1))], True))
            start = match.end()
    pieces.append((start, rendered.text[start:], False))
    return [piece for piece in pieces if piece[1]]


def special_texts(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The texts that the tokenizer turns into special tokens."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return added | set(tokenizer.all_special_tokens)


def adds_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer puts a beginning-of-text token before a plain text by itself."""
    ids = tokenizer("a").input_ids
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def _span(start: int, end: int, closed: str) -> Span:
    """Of an empty answer its end mark is all that there is."""
    return (start, end if end > start else len(closed.rstrip()))


def _common_start(one: str, other: str) -> int:
    """How many characters two texts share from their start."""
    if other.startswith(one):
        return len(one)
    return next(index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
