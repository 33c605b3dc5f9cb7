"""What a config.json says of a base model's size, and what it must not say."""

from pathlib import Path
from typing import Any

import pytest

from studio.base_models import ARCHITECTURES, config_of
from studio.budget.shapes import shape_of
from studio.errors import InvalidInput

PLAIN: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 128,
}


def test_sizes_are_read() -> None:
    shape = shape_of(PLAIN)

    assert (shape.head_dim, shape.query_width, shape.key_width, shape.tied) == (16, 64, 32, False)
    # Two layers of q and o 64 x 64, k and v 64 x 32, three of 64 x 96 and two norms; two embeddings, one norm.
    assert shape.parameters == 2 * (2 * 4096 + 2 * 2048 + 3 * 6144 + 128) + 2 * 128 * 64 + 64


def test_every_architecture_that_trains_has_a_shape() -> None:
    for model_type in ARCHITECTURES:
        assert shape_of(PLAIN | {"model_type": model_type}).parameters > 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "mamba"}, "type 'mamba' is not known here, so nothing can be estimated"),
        ({"model_type": None}, "type None is not known here"),
        ({"model_type": ["llama"]}, "is not known here"),
        ({"hidden_size": None}, "has no hidden_size, so its size is not known"),
        ({"num_hidden_layers": 10**9}, "has 1000000000 for num_hidden_layers; that is no real model's"),
        ({"num_attention_heads": 0}, "has 0 for num_attention_heads"),
        ({"num_key_value_heads": -8}, "has -8 for num_key_value_heads"),
        ({"num_key_value_heads": 3}, "has 4 heads for 3 key-value heads; one must divide the other"),
        ({"num_attention_heads": 5, "num_key_value_heads": 5}, "a hidden size of 64, which 5 heads do not divide"),
        ({"intermediate_size": "large"}, "has 'large' for intermediate_size; it must be a whole number"),
        ({"vocab_size": 128.5}, "has 128.5 for vocab_size; it must be a whole number"),
        ({"hidden_size": True}, "has True for hidden_size; it must be a whole number"),
        ({"tie_word_embeddings": "yes"}, "has 'yes' for tie_word_embeddings; it must be true or false"),
        ({"vocab_size": "x" * 10_000}, "…"),
    ],
)
def test_what_no_model_has_is_refused_in_words(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        shape_of(PLAIN | change)

    assert sentence in refused.value.message and len(refused.value.message) < 300


def test_a_downloaded_model_is_known_and_another_is_not(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--mine" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "llama", "hidden_size": 8}', encoding="utf-8")

    assert config_of("someone/mine", None, tmp_path) == {"model_type": "llama", "hidden_size": 8}
    assert config_of("someone/else", None, tmp_path) is None
    assert config_of("someone/mine", None) is None
