"""The demo dataset is what its script makes, and as untidy as promised."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
DATASET = EXAMPLES / "support-tickets.jsonl"


def make_dataset(output: Path, *options: str) -> bytes:
    script = EXAMPLES / "make_demo_dataset.py"
    subprocess.run([sys.executable, script, "--output", output, *options], check=True)
    return output.read_bytes()


def read_conversations() -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in DATASET.read_text(encoding="utf-8").splitlines()]


def test_the_script_makes_the_committed_bytes(tmp_path: Path) -> None:
    assert make_dataset(tmp_path / "again.jsonl") == DATASET.read_bytes()


def test_other_sizes_and_seeds_can_be_made(tmp_path: Path) -> None:
    small = make_dataset(tmp_path / "small.jsonl", "--rows", "200", "--seed", "1")
    other = make_dataset(tmp_path / "other.jsonl", "--rows", "200", "--seed", "2")

    assert len(small.splitlines()) == len(other.splitlines()) == 200
    assert small != other


def test_there_are_1500_rows_of_which_45_are_exact_duplicates() -> None:
    lines = DATASET.read_text(encoding="utf-8").splitlines()

    assert len(lines) == 1500
    assert len(lines) - len(set(lines)) == 45  # 3 % of 1,500


def test_15_messages_have_two_different_answers() -> None:
    answers_by_message = defaultdict(set)
    for _, user, assistant in read_conversations():
        answers_by_message[user["content"]].add(assistant["content"])

    assert Counter(len(answers) for answers in answers_by_message.values()) == {
        1: 1425,
        2: 15,
    }  # 1 % of 1,500


def test_every_answer_is_json_with_the_three_keys() -> None:
    for conversation in read_conversations():
        assert [message["role"] for message in conversation] == ["system", "user", "assistant"]
        assert list(json.loads(conversation[2]["content"])) == ["intent", "product", "urgency"]


def test_no_slot_is_left_open_in_a_message() -> None:
    assert not [user for _, user, _ in read_conversations() if "{" in user["content"] or "  " in user["content"]]
