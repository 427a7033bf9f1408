"""What a checkpoint says of itself is taken by the letter, or refused by its field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from looking_glass.gpt.checkpoint_config import read_config
from looking_glass.gpt.config import GPTConfig
from looking_glass.pipeline.errors import InputError

SHAPE = {"vocab_size": 97, "n_positions": 16, "n_layer": 2, "n_head": 2, "n_embd": 8}


def written(path: Path, **changes: object) -> Path:
    (path / "config.json").write_text(json.dumps({"model_type": "gpt2", **SHAPE, **changes}))
    return path / "config.json"


def test_a_shape_is_read_and_what_is_not_said_is_gpt2s_own(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, n_inner=32, name="mine")) == GPTConfig(
        vocab_size=97, block_size=16, n_layer=2, n_head=2, n_embd=8, tie_weights=True
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("n_head", 0, "greater than or equal to 1, got 0"),
        ("n_head", -2, "greater than or equal to 1, got -2"),
        ("n_head", 3, "must be divisible by n_head, got 8 and 3"),
        ("n_head", "2", "valid integer, got '2'"),
        ("n_head", 2.0, "valid integer, got 2.0"),
        ("n_head", True, "valid integer, got True"),
        ("n_layer", 10**9, "less than or equal to 1000, got 1000000000"),
        ("n_positions", None, "valid integer, got None"),
        ("n_embd", [8], r"valid integer, got \[8\]"),
        ("n_inner", "32", "valid integer, got '32'"),
        ("n_inner", 12, "must be 4 times n_embd, got 12"),
        ("tie_word_embeddings", "no", "valid boolean, got 'no'"),
        ("tie_word_embeddings", 1, "valid boolean, got 1"),
        ("scale_attn_weights", 1, "must be True, got 1"),
        ("model_type", "x" * 100_000, "must be 'gpt2'"),
        ("x" * 100_000, 1, "is no field that this GPT-2 knows"),
    ],
)
def test_a_field_of_another_type_or_range_is_refused(
    tmp_path: Path, field: str, value: object, reason: str
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_config(written(tmp_path, **{field: value}))
    assert field[:20] in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", r"an object is required, got \[\]"),
        (b"null", "an object is required, got None"),
        (b"\xff\xfe", "not valid JSON: .*utf-8"),
        (b"", "not valid JSON: "),
        (b"[" * 100_000, "not valid JSON: .*recursion"),
        (b'{"n_head": ' + b"9" * 5000 + b"}", "not valid JSON: .*digits"),
        (b'{"n_head": 1, "n_head": 2}', "'n_head' is required once, it comes again"),
    ],
)
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_config(path)
