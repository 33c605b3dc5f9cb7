"""The text from which the demo base model learns: small stories, small talk, and messages sorted into JSON.

Its words stand in `demo_text.toml`. None of its JSON uses the keys and values of the demo dataset: the model
shall know what JSON answers look like and what everyday words mean, and still have to be taught the task.
"""

import json
import random
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Message = dict[str, str]
Document = str | list[Message]
Fact = tuple[str, str, str]

PHRASES: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
WORDS: list[str] = PHRASES["words"].split()


def write_documents(seed: int) -> Iterator[Document]:
    """Yield documents without end, in fixed shares: prose, small talk, JSON chat, letters to shops."""
    rng = random.Random(seed)
    kinds: list[Callable[[random.Random], Document]] = [
        write_story,
        write_small_talk,
        write_json_chat,
        write_shop_letter,
    ]
    while True:
        yield rng.choices(kinds, weights=[3, 2, 6, 9])[0](rng)


def write_story(rng: random.Random) -> str:
    """Return four sentences of prose, some of them from letters."""
    clauses = [classify(facet, rng)[2] for facet in rng.sample(PHRASES["facets"], 2)]
    stories = [fill(sentence, rng) for sentence in rng.sample(PHRASES["stories"], 4)]
    return " ".join(rng.sample([*stories, *clauses], 4))


def write_small_talk(rng: random.Random) -> list[Message]:
    """Return one question and its answer."""
    word, opposite = rng.choice(list(PHRASES["opposites"].items()))
    words = rng.sample(WORDS, 3)
    pairs = [
        (f"What is the opposite of {word}?", f"The opposite of {word} is {opposite}."),
        (f"Please say these backwards: {', '.join(words)}.", f"{', '.join(reversed(words))}."),
        (f"Which comes first: {words[0]} or {words[1]}?", f"You said {words[0]} first."),
        (f"Say {words[0]} twice.", f"{words[0]}, {words[0]}."),
        ("How are you?", fill("I am well, thank you. I have been in the {spot} since {day}.", rng)),
    ]
    question, answer = rng.choice(pairs)
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_json_chat(rng: random.Random) -> list[Message]:
    """Return a message about two to four things, sorted into JSON under the keys of the instruction."""
    facts = [classify(facet, rng) for facet in rng.sample(PHRASES["facets"], rng.randint(1, 2))]
    facts += [copy_word(copied, rng) for copied in rng.sample(PHRASES["copies"], rng.randint(1, 2))]
    sentences = [sentence for _, _, sentence in facts]
    if rng.random() < 0.3:
        sentences.append(fill(rng.choice(PHRASES["stories"]), rng))
    rng.shuffle(sentences)
    return write_chat({key: value for key, value, _ in facts}, sentences, rng)


def write_shop_letter(rng: random.Random) -> list[Message]:
    """Return a letter to some shop, sorted into JSON: its topic, its pace, and the item that it is about."""
    thing = rng.choice(PHRASES["slots"]["thing"])
    topic, topic_value, request = classify(PHRASES["topics"], rng, thing)
    pace, pace_value, cue = classify(PHRASES["paces"], rng)
    answer = {topic: topic_value, pace: pace_value, rng.choice(PHRASES["items"]["keys"]): thing}
    body = rng.choice([[request, cue], [request, cue], [cue, request]])
    if rng.random() < 0.4:
        body.insert(rng.randrange(3), fill(rng.choice(PHRASES["asides"]), rng))
    return write_chat(answer, body, rng)


def write_chat(answer: dict[str, str], sentences: list[str], rng: random.Random) -> list[Message]:
    """Return the conversation, its keys in any order."""
    answer = dict(rng.sample(list(answer.items()), len(answer)))
    greeting, farewell = (fill(rng.choice(PHRASES[part]), rng) for part in ("greetings", "farewells"))
    instruction = rng.choice(PHRASES["instructions"]).format(keys=", ".join(answer))
    return [
        {"role": "system", "content": instruction},
        {"role": "user", "content": " ".join([greeting, *sentences, farewell]).strip()},
        {"role": "assistant", "content": json.dumps(answer)},
    ]


def classify(facet: dict[str, Any], rng: random.Random, thing: str = "{thing}") -> Fact:
    """Return a key, one of the facet's values, and a sentence from which that value can be told."""
    value = rng.choice(list(facet["values"]))
    sentence = rng.choice(facet["values"][value]).replace("{thing}", thing)
    return rng.choice(facet["keys"]), value, fill(sentence, rng)


def copy_word(copied: dict[str, Any], rng: random.Random) -> Fact:
    """Return a key, a word, and a sentence that holds the word."""
    value = rng.choice(PHRASES["slots"][copied["slot"]])
    return rng.choice(copied["keys"]), value, fill(rng.choice(copied["sentences"]).replace("{x}", value), rng)


def fill(pattern: str, rng: random.Random) -> str:
    """Put a random word into each slot, drawn anew for each time that the slot occurs."""
    for slot, words in PHRASES["slots"].items():
        while "{" + slot + "}" in pattern:
            pattern = pattern.replace("{" + slot + "}", rng.choice(words), 1)
    return pattern
