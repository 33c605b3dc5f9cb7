"""Try a downloaded adapter with nothing but torch, transformers and peft: answers before and after, and exact match.

    python examples/try_adapter.py --base FOLDER --adapter adapter.zip --rows rows.jsonl

Each row is {"messages": [...]} whose last message is the expected answer.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

LONGEST_ANSWER_TOKENS = 64
BATCH_ROWS = 25
SHOWN = 5


def main() -> None:
    """Print answers and counts; write the counts to --report where given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder or Hub id of the base model")
    parser.add_argument("--adapter", required=True, type=Path, help="the downloaded zip, or its unpacked folder")
    parser.add_argument("--rows", required=True, type=Path, help="held-out rows, one JSON object a line")
    parser.add_argument("--report", type=Path, help="where to write the counts as JSON")
    options = parser.parse_args()

    conversations = [json.loads(line)["messages"] for line in options.rows.read_text(encoding="utf-8").splitlines()]
    prompts = [messages[:-1] for messages in conversations]
    expected = [messages[-1]["content"].strip() for messages in conversations]
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    # CPUs without bfloat16 units are many times faster in float32.
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    model = AutoModelForCausalLM.from_pretrained(options.base, dtype=dtype).eval()
    before = answer(model, tokenizer, prompts)
    with tempfile.TemporaryDirectory() as folder:
        adapted = PeftModel.from_pretrained(model, unpacked(options.adapter, Path(folder))).eval()
    after = answer(adapted, tokenizer, prompts)

    for row in range(min(SHOWN, len(prompts))):
        print(f"\nPrompt   {prompts[row][-1]['content']}")
        print(f"Expected {expected[row]}")
        print(f"Before   {one_line(before[row])}")
        print(f"After    {one_line(after[row])}")
    counts = {"before": matches(before, expected), "after": matches(after, expected)}
    print(f"\nExact match: {counts['before']} before, {counts['after']} after, of {len(expected)} rows")
    if options.report:
        options.report.write_text(json.dumps(counts), encoding="utf-8")


def unpacked(adapter: Path, folder: Path) -> str:
    """The folder of the adapter's files."""
    if adapter.is_dir():
        return str(adapter)
    with zipfile.ZipFile(adapter) as archive:
        archive.extractall(folder)
    return str(folder)


def answer(model: torch.nn.Module, tokenizer: AutoTokenizer, prompts: list[list[dict[str, str]]]) -> list[str]:
    """Generate greedily, in batches; prompts are padded on the left so that every answer begins at the same column."""
    texts = [tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True) for prompt in prompts]
    answers: list[str] = []
    for start in range(0, len(texts), BATCH_ROWS):
        batch = tokenizer(
            texts[start : start + BATCH_ROWS],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
        )
        with torch.inference_mode():
            generated = model.generate(  # (B, T prompt + T answer)
                **batch, do_sample=False, max_new_tokens=LONGEST_ANSWER_TOKENS, pad_token_id=tokenizer.pad_token_id
            )
        new = generated[:, batch["input_ids"].shape[1] :]  # (B, T answer)
        answers += [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
    return answers


def matches(answers: list[str], expected: list[str]) -> int:
    """How many answers are the expected text, letter for letter."""
    return sum(given == wanted for given, wanted in zip(answers, expected, strict=True))


def one_line(text: str) -> str:
    """The start of an answer on one line."""
    return " ".join(text.split())[:160] or "(nothing)"


if __name__ == "__main__":
    main()
