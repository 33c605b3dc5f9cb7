"""Make the demo dataset: support messages to an imaginary shop, each answered with strict JSON.

The text is put together from sentence patterns with a seeded generator, so the same options always give the
same bytes. A few exact duplicates and contradictions are left in on purpose: real data has them too.
"""

import argparse
import json
import random
from pathlib import Path

SYSTEM_PROMPT = "Answer with JSON: intent, product, urgency."
DUPLICATE_SHARE = 0.03
CONTRADICTION_SHARE = 0.01

Row = dict[str, list[dict[str, str]]]
Answer = dict[str, str]

# For each product: the names that customers use, the ways it breaks, the things people ask how to do with it.
PRODUCTS: dict[str, dict[str, list[str]]] = {
    "kettle": {
        "names": ["Ember kettle", "kettle", "new kettle", "blue kettle"],
        "faults": ["leaks from the base", "switches off before the water is warm", "hums but never boils"],
        "tasks": [
            "get the limescale out",
            "set it to eighty degrees for green tea",
            "take the lid off",
        ],
    },
    "lamp": {
        "names": ["Moth lamp", "lamp", "new lamp", "reading lamp"],
        "faults": ["flickers like a candle", "will not dim any more", "goes dark after ten minutes"],
        "tasks": ["change the bulb", "make the light a little warmer", "set it to wake me at seven"],
    },
    "doorbell": {
        "names": ["Finch doorbell", "doorbell", "new doorbell", "video doorbell"],
        "faults": ["rings at midnight with nobody there", "shows a black picture", "has stopped ringing"],
        "tasks": ["choose a quieter ring", "share the camera with my sister", "mount it on a brick wall"],
    },
    "router": {
        "names": ["Tidal router", "router", "new router", "wifi router"],
        "faults": ["drops the wifi every hour", "blinks red and nothing else", "gets too hot to touch"],
        "tasks": ["change the wifi password", "add a network for guests", "pause the internet at dinner"],
    },
    "speaker": {
        "names": ["Otter speaker", "speaker", "new speaker", "kitchen speaker"],
        "faults": [
            "crackles on every low note",
            "plays from the left side only",
            "will not find my phone",
        ],
        "tasks": ["pair it with two phones", "turn off the voice", "play the radio without the app"],
    },
    "scale": {
        "names": ["Pebble scale", "scale", "new scale", "bathroom scale"],
        "faults": ["says that I weigh nine kilos", "shows only dashes", "gives a new number each time"],
        "tasks": ["switch from pounds to kilos", "add my husband as a second user", "set it back to zero"],
    },
}

INTENTS: dict[str, list[str]] = {
    "refund": [
        "I sent the {product} back {ago} and the refund has not reached my account.",
        "The {product} is lovely, just not for us, and I would like a refund.",
        "I returned the {product} {ago}. When will I see the refund?",
        "My {relative} bought me the same {product}, so I want to return mine for a refund.",
        "Please refund the {product}; it is too big for the {place} and still in its box.",
        "You promised me a refund for the {product} {ago} and I am still waiting for it.",
        "The {product} does not match the {place} at all. I would like to return it and get a refund.",
    ],
    "repair": [
        "The {product} in the {place} {fault}. Can you repair it?",
        "Since {day} my {product} {fault}. I think it needs a repair.",
        "My {product} {fault}. My {relative} looked at it and says that it needs a repair.",
        "I have had the {product} for a month and now it {fault}. Please repair it.",
        "Our {product} {fault}. It is still under warranty, so I ask for a repair.",
        "The {product} fell off a shelf in the {place} {ago} and now it {fault}. Do you repair such things?",
        "Our {product} {fault}. I have tried turning it off and on. Where do I send it for repair?",
    ],
    "delivery": [
        "I ordered a {product} {ago} and the delivery has still not come.",
        "The delivery of my {product} was planned for {day}, but there is no parcel in the {place}.",
        "Where is my {product}? The delivery page has not moved since {day}.",
        "The delivery of my {product} went to the wrong address, and my {relative} had to look for it.",
        "The delivery came on {day}, but the {product} was not in the box.",
        "The tracking number for the delivery of my {product} does not work.",
        "Nobody rang, and the delivery with the {product} left again on {day}. When does it come back?",
    ],
    "invoice": [
        "The invoice says that my card was charged twice for one {product}.",
        "The invoice for the {product} has the wrong name on it; it should be my {relative}'s.",
        "The invoice says {price} for the {product}, and the price on the page was lower.",
        "I need an invoice with a tax number for the {product} that I bought {ago}.",
        "The discount code for the {product} was not taken off my invoice.",
        "There is an invoice of {price} for a {product} that I do not know.",
        "The invoice for my {product} says {price}, and I paid all of it {ago}.",
    ],
    "manual": [
        "The manual does not say how to {task} with the {product}.",
        "We put the {product} in the {place}. Which page of the manual says how to {task}?",
        "I have read the manual of the {product} twice and cannot find how to {task}.",
        "Is there a manual that shows how to {task} on the {product}? My {relative} says yes, I say no.",
        "Could you explain how to {task}? The {product} came without a manual.",
        "My {relative} gave me a {product} without a manual, and I would love to learn how to {task}.",
        "The manual of the {product} is in another language. What do I press to {task}?",
    ],
    "cancel": [
        "Please cancel my order for the {product}; I ordered it by mistake {ago}.",
        "I do not need the {product} any more, so please cancel the order.",
        "My {relative} and I both ordered a {product}. Please cancel mine.",
        "I clicked twice on {day} and ordered two. Cancel the second {product}, please.",
        "Can I still cancel the {product} that I ordered {ago}? It has not been sent.",
        "I have changed my mind about the {product} for the {place}. Please cancel it.",
        "I want to cancel the {product} before it ships; I found one in the attic.",
    ],
}

URGENCIES: dict[str, list[str]] = {
    "low": [
        "There is no rush at all.",
        "Take your time, I am only curious.",
        "Whenever you have a quiet moment is fine.",
        "It can wait until after the holidays.",
        "This is not important, answer when it suits you.",
        "Next month is early enough for me.",
        "No hurry; my {relative} does not mind waiting.",
    ],
    "normal": [
        "Could you let me know this week?",
        "I would be glad of an answer in the next few days.",
        "Please write back by the end of the week.",
        "A reply in two or three days would be good.",
        "I hope to hear from you soon.",
        "Please look into it in the coming days.",
        "It would be nice to have it settled before next {day}.",
    ],
    "high": [
        "I need an answer today, please!",
        "This is urgent, please call me right now.",
        "It cannot wait: we leave tomorrow morning.",
        "Please help at once, I am at my wits' end.",
        "I have asked three times and must have this solved today.",
        "Please hurry, my {relative} arrives in an hour!",
        "This is an emergency, drop everything.",
    ],
}

OPENERS = ["Hello!", "Hi there.", "Good morning.", "Dear team!", "Hi!", "Good evening.", "", ""]
CLOSERS = ["Thanks, {name}", "Best wishes, {name}", "Yours, {name}", "{name}", "Thank you!", "", "", ""]

FILLERS: dict[str, list[str]] = {
    "ago": ["two weeks ago", "last week", "ten days ago", "a month ago", "before the weekend"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
    "relative": ["mother", "brother", "neighbour", "aunt", "grandfather", "flatmate"],
    "place": ["kitchen", "hall", "garden shed", "office", "bedroom", "caravan"],
    "price": ["39 euros", "54 euros", "72 euros", "120 euros"],
    "name": ["Ida", "Tom", "Mrs Okafor", "Jonas", "Priya", "Old Pete", "Lucía", "Wen"],
}


def main() -> None:
    """Read the options and write the dataset as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("support-tickets.jsonl"))
    options = parser.parse_args()
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows(options.rows, options.seed)]
    options.output.write_text("".join(lines), encoding="utf-8", newline="\n")


def make_rows(count: int, seed: int) -> list[Row]:
    """Return `count` shuffled rows, the promised duplicates and contradictions among them."""
    rng = random.Random(seed)
    duplicates, contradictions = round(count * DUPLICATE_SHARE), round(count * CONTRADICTION_SHARE)
    tickets = make_tickets(count - duplicates - contradictions, rng)
    repeated = rng.sample(list(tickets), duplicates + contradictions)
    rows = [make_row(message, answer) for message, answer in tickets.items()]
    rows += [make_row(message, tickets[message]) for message in repeated[:duplicates]]
    rows += [make_row(message, contradict(tickets[message], rng)) for message in repeated[duplicates:]]
    rng.shuffle(rows)
    return rows


def make_tickets(count: int, rng: random.Random) -> dict[str, Answer]:
    """Return `count` different messages with their answers."""
    tickets: dict[str, Answer] = {}
    while len(tickets) < count:
        answer = {
            "intent": rng.choice(list(INTENTS)),
            "product": rng.choice(list(PRODUCTS)),
            "urgency": rng.choice(list(URGENCIES)),
        }
        tickets.setdefault(write_message(answer, rng), answer)
    return tickets


def write_message(answer: Answer, rng: random.Random) -> str:
    """Write one message from which the answer can be inferred."""
    product = PRODUCTS[answer["product"]]
    request, cue = rng.choice(INTENTS[answer["intent"]]), rng.choice(URGENCIES[answer["urgency"]])
    body = [request, cue] if rng.random() < 0.8 else [cue, request]
    pattern = " ".join([rng.choice(OPENERS), *body, rng.choice(CLOSERS)]).strip()
    slots = {slot: rng.choice(fillers) for slot, fillers in FILLERS.items()}
    return pattern.format(
        product=rng.choice(product["names"]),
        fault=rng.choice(product["faults"]),
        task=rng.choice(product["tasks"]),
        **slots,
    )


def contradict(answer: Answer, rng: random.Random) -> Answer:
    """Return the answer of a second, careless labeller: another intent or another urgency."""
    key, values = rng.choice([("intent", INTENTS), ("urgency", URGENCIES)])
    return {**answer, key: rng.choice([value for value in values if value != answer[key]])}


def make_row(message: str, answer: Answer) -> Row:
    """Return one conversation in the form that chat fine-tuning expects."""
    return {
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": message},
            {"role": "assistant", "content": json.dumps(answer)},
        ]
    }


if __name__ == "__main__":
    main()
