"""Five thousand rows, some with answers that are cut and some that teach nothing at this length: which are told."""

import random
from pathlib import Path

import orjson
from transformers import AutoTokenizer

from studio import base_models
from studio.datasets import Profile
from tests.checks.planted import plant
from worker.tokens import TokenCache
from worker.tokens_encode import RowEncoder
from worker.tokens_fill import fill
from worker.tokens_profile import profile

# No other row is so long.
MAX_LENGTH = 1024
CUT, UNTAUGHT, LONG_BUT_WHOLE = 80, 40, 40
WORDS = ("lamp", "harbour", "pilot", "letter", "seven", "blue", "under", "asks")


def words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(count))


def test_cut_answers_are_told_and_nothing_else(tmp_path: Path) -> None:
    rows, chance = plant().rows, random.Random(5)
    plain = [number for number, row in enumerate(rows, start=1) if len(row["messages"]) == 2]
    chosen = chance.sample(plain, CUT + UNTAUGHT + LONG_BUT_WHOLE)
    truth = {"cut answers": set(chosen[:CUT]), "rows that teach nothing": set(chosen[CUT : CUT + UNTAUGHT])}
    for number in chosen:
        question, answer = rows[number - 1]["messages"]
        # Each word is one token at least, and of these words four at most.
        if number in truth["cut answers"]:
            answer["content"] += " " + words(chance, chance.randint(MAX_LENGTH, 3 * MAX_LENGTH))
        elif number in truth["rows that teach nothing"]:
            question["content"] += " " + words(chance, chance.randint(MAX_LENGTH, 2 * MAX_LENGTH))
        else:
            answer["content"] = words(chance, MAX_LENGTH // 8)

    found = told(tmp_path, rows)

    print(f"\n{'kind':26}{'planted':>8}{'found':>8}{'recall':>8}{'precision':>10}")
    for kind, planted in truth.items():
        both = len(planted & found[kind])
        print(f"{kind:26}{len(planted):8}{len(found[kind]):8}{both / len(planted):8.3f}{both / len(found[kind]):10.3f}")
    assert found == truth


def told(folder: Path, rows: list[dict[str, object]]) -> dict[str, set[int]]:
    """Tokenise with the bundled base model, and read the lists of the profile."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    encoder = RowEncoder(AutoTokenizer.from_pretrained(base_models.demo_folder()), "answers")
    tokenised = fill(TokenCache(folder / "cache"), "key", encoder, path)
    counted = Profile(folder / "profile", profile(tokenised, bytes(len(rows)), folder / "profile"))
    too_long = {found.row for found in counted.cut_rows(MAX_LENGTH, start=0, limit=len(rows))}
    untaught = {found.row for found in counted.untaught_rows(MAX_LENGTH, start=0, limit=len(rows))}
    assert counted.at(MAX_LENGTH).cut_rows == len(too_long - untaught)
    return {"cut answers": too_long - untaught, "rows that teach nothing": untaught}
