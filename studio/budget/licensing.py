"""What the licences of base model and data ask of a use, as a statement to accept before launch. Pure."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.base_models import BaseModelFacts
from studio.errors import InvalidInput
from studio.licenses import LicenseFacts, find_license
from studio.runs.spec_limits import IntendedUse, LicenseUse

DISCLAIMER = "This sums up what the licences say as far as it is known here. It is no legal advice: read them yourself."
ACCEPT = "Read what the licences say and tick that you accept it; the run keeps the statement."
CHANGED = "What the licences say has changed since it was accepted. Read it again and tick that you accept it."
ACCEPTED_FIELD = "license.accepted"
_USES: dict[IntendedUse, str] = {
    "private": "for yourself",
    "research": "research or teaching",
    "internal": "inside your organisation",
    "product": "a product or service for others",
}
_COMMERCIAL = {
    "yes": "Commercial use is allowed.",
    "no": "Commercial use is not allowed.",
    "conditions": "Commercial use is allowed under conditions.",
}
_CARD = "Licence in the model card: "
_CARD_LINE = re.compile(rf"^{_CARD}([a-z0-9.\-]+)$", re.MULTILINE)
_CARD_BLOCK = re.compile(rf"^{_CARD}[a-z0-9.\-]+\n\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DataLicense:
    """What is said of the licence of a dataset: by its owner, or by its card on the Hub."""

    dataset: str
    license: str = ""
    from_hub: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What one licence says: of the base model or of a dataset."""

    title: str
    license: str
    link: str = ""
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement; `text` is what a run keeps, `key` changes with every word of it.

    `warnings` are what stands against the use. They forbid nothing: who accepts the statement may launch.
    """

    parts: tuple[Part, ...]
    warnings: tuple[str, ...]
    needs_acceptance: bool
    text: str

    @property
    def key(self) -> str:
        """Tells whether what was accepted is what is asked now."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Source:
    """A licence in question; `facts` are None where nothing is known of it."""

    kind: str
    name: str
    license: str
    facts: LicenseFacts | None
    gated: bool = False
    is_unsaid_upload: bool = False

    @property
    def owner(self) -> str:
        """What it is the licence of, within a sentence."""
        return f"{self.kind} {self.name}"


def statement_of(base_model: BaseModelFacts, data: Sequence[DataLicense], use: IntendedUse) -> Statement:
    """Say what the licences ask of a result for this use."""
    base = _Source(
        "base model", base_model.label, base_model.license, find_license(base_model.license), base_model.gated
    )
    sources = [base, *(_data_source(one) for one in data)]
    parts = tuple(_part(source, use) for source in sources)
    warnings = tuple(sentence for source in sources for sentence in _warnings(source, use))
    needs_acceptance = any(_asks_consent(source, use) for source in sources)
    return Statement(parts, warnings, needs_acceptance, _text(parts, warnings, use, _card_license(sources)))


def refuse_unaccepted(statement: Statement, use: LicenseUse) -> None:
    """Raise InvalidInput at `license.accepted` when the statement must be accepted and is not, or another one was."""
    if not statement.needs_acceptance or (use.accepted and use.statement in ("", statement.key)):
        return
    sentence = CHANGED if use.accepted else ACCEPT
    raise InvalidInput(sentence, fields={ACCEPTED_FIELD: sentence})


def card_license(text: str) -> str | None:
    """The licence that a statement's text names for the model card, as model hubs write it."""
    found = _CARD_LINE.search(text)
    return found[1] if found else None


def for_reading(text: str) -> str:
    """A statement's text without the line that only the head of a model card is made of."""
    return _CARD_BLOCK.sub("", text)


def _data_source(said: DataLicense) -> _Source:
    facts = find_license(said.license)
    unsaid = not said.license and not said.from_hub
    return _Source("dataset", said.dataset, said.license or "unknown", facts, is_unsaid_upload=unsaid)


def _part(source: _Source, use: IntendedUse) -> Part:
    title = f"{source.kind.capitalize()} {source.name}"
    if source.facts is None:
        name = {"unknown": "not known"}.get(source.license, source.license)
        return Part(title, "not said" if source.is_unsaid_upload else name, "", (_unknown(source),))
    return Part(title, source.facts.title, source.facts.link, tuple(_sentences(source, source.facts, use)))


def _unknown(source: _Source) -> str:
    if source.is_unsaid_upload:
        return "Nobody said what its licence is. Say it on the page of the dataset; your own data is a choice there."
    if source.license == "unknown":
        return "Its licence is not known here, and it is not guessed. Look it up where you have it from."
    return "What this licence asks for is not known here. Read it before you use the result."


def _sentences(source: _Source, facts: LicenseFacts, use: IntendedUse) -> Iterator[str]:
    if facts.own:
        yield "You said that the data is your own."
        return
    yield _COMMERCIAL[facts.commercial]
    if facts.monthly_users:
        yield (
            f"Whoever had more than {facts.monthly_users // 1_000_000} million monthly users in the month before the "
            "model came out needs a licence of its own from the maker."
        )
    if facts.acceptable_use:
        yield f"An acceptable use policy holds for everyone who uses the result: {facts.acceptable_use}"
    if source.gated:
        yield "The Hub gives out the weights only to those who have accepted the terms there."
    if duties := "; ".join((*facts.asks, *_marks(facts))):
        begin = "For a product" if use == "product" else "Before you hand the result on or offer it as a service"
        yield f"{begin}: {duties}."


def _marks(facts: LicenseFacts) -> Iterator[str]:
    if facts.built_with:
        yield f'show "{facts.built_with}" where people can see it'
    if facts.name_begins_with:
        yield f'give the model a name that begins with "{facts.name_begins_with}"'


def _warnings(source: _Source, use: IntendedUse) -> Iterator[str]:
    facts = source.facts
    if facts is None:
        if use == "product":
            yield f"This is meant for a product, and the licence of the {source.owner} is not known."
    elif facts.commercial == "no" and use == "product":
        yield f"The licence of the {source.owner} does not allow commercial use, and this is meant for a product."
    elif facts.commercial == "no" and use == "internal":
        yield f"Inside a company even internal use may count as commercial, which the {source.owner} does not allow."
    if facts is not None and facts.share_alike:
        yield (
            f"The {source.owner} may only be shared alike. It is disputed whether that binds a model trained on it: be "
            "ready to hand the result on under the same licence."
        )


def _asks_consent(source: _Source, use: IntendedUse) -> bool:
    """Whether a person must accept; data that somebody has uploaded is mostly their own, so there a hint will do."""
    if source.facts is None:
        return use == "product" or not source.is_unsaid_upload
    return source.facts.consent or source.facts.share_alike or source.facts.commercial == "no"


def _card_license(sources: Sequence[_Source]) -> str | None:
    """The base model's, where that is known and no licence of the data asks for more than to be named."""
    base, *data = (source.facts for source in sources)
    plain = all(facts and facts.commercial == "yes" and not (facts.share_alike or facts.consent) for facts in data)
    return (base.hub_id or None) if base and plain else None


def _text(parts: Sequence[Part], warnings: Sequence[str], use: IntendedUse, card: str | None) -> str:
    lines = [f"Intended use: {_USES[use]}."]
    for part in parts:
        lines += ["", f"{part.title}: {part.license}" + (f" ({part.link})" if part.link else "")]
        lines += [f"- {sentence}" for sentence in part.sentences]
    if warnings:
        lines += ["", "Please note:", *(f"- {sentence}" for sentence in warnings)]
    return "\n".join([*lines, "", *([_CARD + card, ""] if card else []), DISCLAIMER])
