"""Tokenising a dataset: goals are 3 MB/s on two cores, 4 times TRL's own preparation, a second look within 1 s, and
time linear in rows.

    python benchmarks/tokenise.py [--rows 20000] [--largest 160000]

Both prepare the same conversations with the same tokenizer and template, in turns, each in a process of its own: TRL as
`SFTTrainer` does for `assistant_only_loss`, the studio as its chore and its trainers do, from the file of rows to a
synced Arrow file. The tokenizer is trained on the spot; the template is the one that TRL knows as Qwen3 2507.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._studio import write_result

GOALS = {"megabytes_per_second": 3.0, "times_trl": 4.0, "second_look_seconds": 1.0, "slope": 1.05}
SMALLEST = 10_000
VOCABULARY = 40_000
ROUNDS = 2
SEED = 17
MAX_LENGTH = 1024


def main() -> None:
    """Make tokenizer and rows, measure both arms in turns, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--largest", type=int, default=160_000)
    parser.add_argument("--arm", choices=["studio", "trl"])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.arm:
        arm = {"studio": time_studio, "trl": time_trl}[options.arm]
        print(json.dumps(arm(options.folder, options.rows)))
        return
    with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as name:
        folder = Path(name)
        words = make_tokenizer(folder)
        make_rows(folder, words, {options.rows, *_sizes(options.largest)})
        write_result("tokenise", measure(folder, options.rows, options.largest))


def measure(folder: Path, rows: int, largest: int) -> dict[str, Any]:
    """Both arms in turns, the better round of each; then the studio alone with more and more rows."""
    arms: dict[str, list[dict[str, float]]] = {"studio": [], "trl": []}
    for _ in range(ROUNDS):
        for name, found in arms.items():
            found.append(_run(name, folder, rows))
    best = {name: min(found, key=lambda one: one["seconds"]) for name, found in arms.items()}
    speed = {name: one["megabytes_per_second"] for name, one in best.items()}
    sizes = _sizes(largest)
    grown = [_run("studio", folder, size) for size in sizes]
    return {
        "goals": GOALS,
        "rows": rows,
        "arms": {name: _rounded(one) for name, one in best.items()},
        "times_trl": round(speed["studio"] / speed["trl"], 2),
        "times_trl_by_processor_time": round(best["trl"]["processor_seconds"] / best["studio"]["processor_seconds"], 2),
        "slope": round(_slope(sizes, [one["seconds"] for one in grown]), 3),
        "slope_by_processor_time": round(_slope(sizes, [one["processor_seconds"] for one in grown]), 3),
        "by_rows": {size: _rounded(one) for size, one in zip(sizes, grown, strict=True)},
    }


def time_studio(folder: Path, count: int) -> dict[str, float]:
    """From the file of rows to the Arrow file, and a second look at it as a trainer takes it."""
    import worker.preload_text  # noqa: F401 (as the child of the worker starts)
    from studio.runs import validate_spec
    from worker.data import RowTokenizer
    from worker.tokens import TokenCache
    from worker.tokens_fill import fill
    from worker.tokens_load import load_tokenizer

    rows = folder / f"rows-{count}.jsonl"
    before = _peak_megabytes()
    spec = validate_spec({"data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}})
    reader = RowTokenizer(load_tokenizer(folder), spec, MAX_LENGTH)
    with tempfile.TemporaryDirectory(dir=folder) as cache_folder:
        cache = TokenCache(Path(cache_folder))
        began, processor = time.perf_counter(), time.process_time()
        fill(cache, "key", reader.encoder, rows)
        seconds = time.perf_counter() - began
        processor, peak = time.process_time() - processor, _peak_megabytes()
        began = time.perf_counter()
        cached = cache.open("key")
        assert cached is not None
        result = reader.cut(cached.rows())
        second = time.perf_counter() - began
    return _figures(rows, seconds, processor, result.trained_tokens) | {
        "second_look_seconds": second,
        "peak_megabytes": peak,
        "peak_before_megabytes": before,
    }


def time_trl(folder: Path, count: int) -> dict[str, float]:
    """The preparation that `SFTTrainer` makes when it begins."""
    import datasets
    import transformers
    from trl import SFTConfig, SFTTrainer

    seconds: list[float] = []
    processor: list[float] = []

    class Timed(SFTTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, *arguments: Any, **keywords: Any) -> Any:
            began, before = time.perf_counter(), time.process_time()
            prepared = super()._prepare_dataset(*arguments, **keywords)
            seconds.append(time.perf_counter() - began)
            processor.append(time.process_time() - before)
            return prepared

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
    )
    rows = folder / f"rows-{count}.jsonl"
    with tempfile.TemporaryDirectory(dir=folder) as output:
        # A cache of its own, so that nothing is read that an earlier round has made.
        data = datasets.Dataset.from_json(str(rows), cache_dir=str(Path(output) / "cache"))
        settings = SFTConfig(
            output_dir=output,
            assistant_only_loss=True,
            max_length=MAX_LENGTH,
            use_cpu=True,
            bf16=False,
            report_to=[],
        )
        model = transformers.LlamaForCausalLM(config)
        trainer = Timed(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        labels = trainer.train_dataset.data.column("labels").combine_chunks().flatten().to_numpy()
        trained = int((labels != -100).sum())
    return _figures(rows, sum(seconds), sum(processor), trained)


def make_tokenizer(folder: Path) -> list[str]:
    """A byte-level tokenizer that splits texts as Qwen's does, trained on the libraries that are installed."""
    import transformers
    import trl
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    library = Path(transformers.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in sorted(library.rglob("*.py"))[:1500]]
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    backend = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3_instruct_2507.jinja"
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    tokenizer.save_pretrained(folder)
    print(f"tokenizer of {len(tokenizer)} tokens", file=sys.stderr)
    return sorted({word for text in texts for word in text.split() if word.isalpha()})


def make_rows(folder: Path, words: list[str], sizes: set[int]) -> None:
    """Conversations of one to three turns, some 1.5 KB a row; a smaller file is the beginning of a larger one."""
    chosen = random.Random(SEED)
    common = chosen.sample(words, min(len(words), 4000))
    lines = [json.dumps({"messages": _conversation(chosen, common)}).encode() + b"\n" for _ in range(max(sizes))]
    for count in sizes:
        (folder / f"rows-{count}.jsonl").write_bytes(b"".join(lines[:count]))


def _conversation(chosen: random.Random, words: list[str]) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": "You answer briefly."}]
    for _ in range(chosen.choice([1, 1, 2, 3])):
        for role, most in (("user", 60), ("assistant", 90)):
            text = " ".join(chosen.choices(words, k=chosen.randint(5, most)))
            messages.append({"role": role, "content": f"{text.capitalize()}."})
    return messages


def _run(arm: str, folder: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.tokenise", "--arm", arm, "--rows", str(rows), "--folder", str(folder)]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(arm, rows, found, file=sys.stderr)
    return found


def _figures(rows: Path, seconds: float, processor: float, trained: int) -> dict[str, float]:
    megabytes = rows.stat().st_size / 1e6
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "megabytes_per_second": megabytes / seconds,
        "megabytes_per_processor_second": megabytes / processor,
        "trained_tokens": trained,
        "load_average": os.getloadavg()[0],
    }


def _sizes(largest: int) -> list[int]:
    return [SMALLEST * 2**step for step in range(int(math.log2(largest / SMALLEST)) + 1)]


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _slope(sizes: list[int], seconds: list[float]) -> float:
    """Of the line through the logarithms, by least squares."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True))
    return above / sum((one - mean_x) ** 2 for one in x)


def _peak_megabytes() -> float:
    """What this process held at most; its `ru_maxrss` would begin with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
