"""Questions and answers from templates with many slots; a name or a number makes most of them one of a kind."""

import random
from collections.abc import Callable


def _listed(words: str) -> list[str]:
    return words.split("|")


_SYLLABLES = _listed("ba|ke|lo|mir|dan|tu|ves|ora|lin|sha|qui|per|nol|zan|fe|gri|hul|ost|wen|yar|cal|dro|emi|bru")
_PEOPLE = _listed("Ida|Jonas|Wen|Lucia|Omar|Priya|Tomas|Aiko|Nadia|Felix|Greta|Samir|Chloe|Mateo|Ingrid|Kofi")
_ADJECTIVES = _listed(
    "old|quiet|bright|narrow|wooden|distant|careful|hollow|gentle|crowded|frozen|modern|"
    "broken|golden|silent|heavy|curious|faded|stubborn|tidy|humble|crooked|patient|rusty"
)
_NOUNS = _listed(
    "harbour|library|orchard|lighthouse|bakery|tunnel|market|museum|garden|station|workshop|"
    "bridge|theatre|meadow|kitchen|tower|valley|school|factory|forest|chapel|archive|quarry|"
    "stable|windmill|cellar"
)
_SUBJECTS = _listed(
    "captain|teacher|gardener|painter|engineer|nurse|farmer|librarian|sailor|carpenter|judge|"
    "baker|driver|tailor|pilot|surgeon|musician|plumber|reporter|shepherd|miller|locksmith"
)
_VERBS = _listed(
    "repaired|painted|sold|visited|measured|described|closed|inherited|photographed|avoided|"
    "rebuilt|cleaned|mapped|admired|searched|guarded|rented|abandoned|discovered|opened|"
    "sketched|insured"
)
_TIMES = _listed(
    "before dawn|after the storm|every other winter|during the strike|last Tuesday|in early spring|"
    "without telling anyone|for a small fee|in spite of the rain|at the last minute|"
    "while the band played|since the flood|on a bet|under a full moon|between two trains|"
    "against all advice"
)
_PRODUCTS = _listed("kettle|lamp|doorbell|router|speaker|scale|heater|blender|camera|tablet|printer|headset")
_FAULTS = _listed(
    "leaks from the base|flickers like a candle|rings at midnight|drops the connection|"
    "hums all night|shows the wrong weight|smells of smoke|stops after a minute|will not charge|"
    "prints blank pages|has no sound on the left|overheats"
)
_INTENTS = _listed("refund|repair|delivery|invoice|manual|complaint")
_LABELS = _listed("positive|negative|neutral")
_INSTRUCTION = (
    "You are given a customer review. Decide whether the writer liked the place, disliked it, or is undecided, and "
    "answer with exactly one word, which must be positive, negative or neutral. Do not explain your answer. Review:"
)


def name(chance: random.Random) -> str:
    """A made-up place."""
    return "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))).capitalize()


def sentence(chance: random.Random) -> str:
    """One of a few million."""
    return (
        f"The {chance.choice(_ADJECTIVES)} {chance.choice(_SUBJECTS)} {chance.choice(_VERBS)} the "
        f"{chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)} of {name(chance)} {chance.choice(_TIMES)}."
    )


def story(chance: random.Random, least: int, most: int) -> str:
    """Some sentences."""
    return " ".join(sentence(chance) for _ in range(chance.randint(least, most)))


def _capital(chance: random.Random) -> tuple[str, str]:
    return name(chance), f"What is the capital of {name(chance)}?"


def _sum(chance: random.Random) -> tuple[str, str]:
    one, other = chance.randint(2, 9999), chance.randint(2, 9999)
    return str(one + other), f"What is {one} plus {other}?"


def _ticket(chance: random.Random) -> tuple[str, str]:
    product, fault, person = chance.choice(_PRODUCTS), chance.choice(_FAULTS), chance.choice(_PEOPLE)
    order = chance.randint(10_000, 99_999)
    question = (
        f"My {chance.choice(_ADJECTIVES)} {product} {fault}. I bought it {chance.choice(_TIMES)} with order {order}. "
        f"Where can I take it? {person}"
    )
    return chance.choice(_INTENTS), question


def _review(chance: random.Random) -> tuple[str, str]:
    return chance.choice(_LABELS), f"{_INSTRUCTION} {story(chance, 2, 4)}"


def _summary(chance: random.Random) -> tuple[str, str]:
    return sentence(chance), f"Summarise this text in one sentence: {story(chance, 4, 12)}"


def _letter(chance: random.Random) -> tuple[str, str]:
    person, place = chance.choice(_PEOPLE), name(chance)
    question = (
        f"Write a {chance.choice(_ADJECTIVES)} letter from {person} to the {chance.choice(_SUBJECTS)} of {place}."
    )
    return f"To whom it may concern in {place},\n\n{story(chance, 3, 8)}\n\nYours, {person}", question


def _code(chance: random.Random) -> tuple[str, str]:
    function, count = f"keep_{name(chance).lower()}", chance.randint(2, 99)
    question = f"Write a Python function {function} that keeps every item of a list longer than {count} characters."
    return f"def {function}(items):\n    return [item for item in items if len(item) > {count}]", question


def _who(chance: random.Random) -> tuple[str, str]:
    said = sentence(chance)
    return said.split()[2], f'Who did it? "{said}"'


_FAMILIES: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    _capital,
    _sum,
    _ticket,
    _ticket,
    _review,
    _summary,
    _letter,
    _code,
    _who,
)


def answer_and_question(chance: random.Random) -> tuple[str, str]:
    """An answer and its question, of any family."""
    return chance.choice(_FAMILIES)(chance)


def other_answer(chance: random.Random, answer: str) -> str:
    """One that contradicts it."""
    if answer in _LABELS or answer in _INTENTS:
        return chance.choice([label for label in (*_LABELS, *_INTENTS) if label != answer])
    return story(chance, 1, 2) if " " in answer else f"{name(chance)}{len(answer)}"
