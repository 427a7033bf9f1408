"""A checkpoint keeps every weight; another kind of one is refused by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config

from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.checkpoint_config import CONFIG_FILE
from looking_glass.gpt.weight_files import WEIGHTS_FILE
from looking_glass.pipeline.artifacts import read_tensors, write_tensors
from looking_glass.pipeline.errors import InputError
from tests.helpers.models import make_model
from tests.helpers.project import ROOT, command


def test_checkpoint_round_trip_keeps_every_weight_and_its_bytes(tmp_path: Path) -> None:
    model = make_model(tie_weights=False)
    save_checkpoint(tmp_path / "a", model.state_dict(), model.config)
    loaded = load_checkpoint(tmp_path / "a")
    save_checkpoint(tmp_path / "b", loaded.state_dict(), loaded.config)
    assert weights_sha256(loaded) == weights_sha256(model)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_hash_sees_a_single_weight() -> None:
    model = make_model()
    before = weights_sha256(model)
    model.transformer.wpe.weight[0, 0] += 1e-6
    assert weights_sha256(model) != before


def test_a_checkpoint_is_read_without_the_second_that_the_compiler_takes(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    # In a process of its own: other tests here do import it.
    seen = f"from pathlib import Path; from {load_checkpoint.__module__} import load_checkpoint; "
    seen += f"load_checkpoint(Path({str(tmp_path)!r})); import sys; print(*sys.modules)"
    done = command(ROOT, sys.executable, "-c", seen)
    assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout.split()
    assert "torch._dynamo" not in done.stdout.split()


def test_openais_names_and_masks_load(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    tensors = read_tensors(tmp_path / WEIGHTS_FILE)
    bare = {name.removeprefix("transformer."): array for name, array in tensors.items()}
    bare["h.0.attn.bias"] = np.ones((1, 1, 16, 16), dtype=np.float32)
    write_tensors(tmp_path / WEIGHTS_FILE, bare)
    assert weights_sha256(load_checkpoint(tmp_path)) == weights_sha256(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_embd": 12}, "weights do not fit config.json"),
        ({"n_layer": 3}, "weights do not fit config.json"),
        ({"activation_function": "relu"}, "activation_function must be 'gelu_new', got 'relu'"),
        ({"model_type": "llama"}, "model_type must be 'gpt2', got 'llama'"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, int | str], message: str
) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_a_missing_or_broken_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is none: run dvc repro train"):
        load_checkpoint(tmp_path)
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"model.safetensors cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layer_norm_epsilon", 1e-6, "layer_norm_epsilon must be 1e-05, got 1e-06"),
        ("n_layer", None, "n_layer is required, there is none"),
    ],
)
def test_a_configuration_that_is_no_gpt2s_is_refused(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    config = {**json.loads((tmp_path / CONFIG_FILE).read_text()), key: value}
    kept = {name: content for name, content in config.items() if content is not None}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(kept))
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("add_cross_attention", True),
        ("n_inner", 12),
        ("layer_norm_epsilon", 1e-6),
        ("activation_function", "relu"),
        ("rope_theta", 10_000),
    ],
)
def test_a_field_that_asks_for_another_function_is_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    save_checkpoint(tmp_path, (model := make_model()).state_dict(), model.config)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=field):
        load_checkpoint(tmp_path)


def test_every_field_that_transformers_writes_is_understood(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, (model := make_model()).state_dict(), model.config)
    path = tmp_path / "config.json"
    theirs = GPT2Config(**json.loads(path.read_text())).to_dict()
    path.write_text(json.dumps(theirs, default=str))
    tokens = torch.arange(5)[None]
    assert torch.equal(load_checkpoint(tmp_path)(tokens), model(tokens))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_weights_of_half_the_bits_are_read(tmp_path: Path, kind: torch.dtype) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    path = tmp_path / WEIGHTS_FILE
    save_file({name: w.to(kind).contiguous() for name, w in load_file(path).items()}, path)
    read = load_checkpoint(tmp_path).state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(read[name], weight.to(kind).float()), name


def damaged(path: Path, **changes: torch.Tensor | None) -> Path:
    """Write a small checkpoint but for some tensors, named without their prefix."""
    model = make_model()
    save_checkpoint(path, model.state_dict(), model.config)
    tensors = load_file(path / WEIGHTS_FILE)
    for name, tensor in changes.items():
        key = f"transformer.{name.replace('__', '.')}"
        if tensor is None:
            del tensors[key]
        else:
            tensors[key] = tensor.contiguous()
    save_file(tensors, path / WEIGHTS_FILE)
    return path


def with_one(value: float) -> torch.Tensor:
    weight = torch.zeros(97, 8)
    weight[5, 3] = value
    return weight


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        *(
            (torch.zeros(97, 8, dtype=kind), f"wte.weight must be of real .*got {name}")
            for kind, name in (
                (torch.int8, "int8"),
                (torch.bool, "bool"),
                (torch.complex64, "complex64"),
                (torch.float8_e4m3fn, "float8_e4m3fn"),
            )
        ),
        (with_one(float("nan")), "wte.weight must hold finite numbers"),
        (with_one(-float("inf")), "wte.weight must hold finite numbers"),
        (None, "transformer.wte.weight is missing"),
        (torch.zeros(97, 8, 1), r"wte.weight must be of shape \[97, 8\], got \[97, 8, 1\]"),
        (torch.zeros(96, 8), r"wte.weight must be of shape \[97, 8\], got \[96, 8\]"),
    ],
)
def test_weights_that_are_damaged_are_refused_by_their_name(
    tmp_path: Path, tensor: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(InputError, match=f"model.safetensors.*{message}"):
        load_checkpoint(damaged(tmp_path, wte__weight=tensor))


def test_a_matrix_of_another_shape_is_named_as_it_stands_in_the_file(tmp_path: Path) -> None:
    wrong = torch.zeros(24, 8)
    with pytest.raises(InputError, match=r"h.1.attn.c_attn.weight .* \[8, 24\], got \[24, 8\]"):
        load_checkpoint(damaged(tmp_path, h__1__attn__c_attn__weight=wrong))
    with pytest.raises(InputError, match=r"c_fc.weight .* \[8, 32\], got \[1, 8, 32\]"):
        load_checkpoint(damaged(tmp_path, h__0__mlp__c_fc__weight=torch.zeros(1, 8, 32)))


def test_no_tensor_is_taken_for_another(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"transformer\.h\.7\.x is none of its tensors"):
        load_checkpoint(damaged(tmp_path / "a", h__7__x=torch.zeros(1)))
    path = damaged(tmp_path / "b") / WEIGHTS_FILE
    tensors = load_file(path)
    save_file({**tensors, "wte.weight": torch.zeros(97, 8)}, path)
    with pytest.raises(InputError, match=r"wte\.weight is required once"):
        load_checkpoint(path.parent)
    save_file({**tensors, "lm_head.weight": torch.zeros(97, 8)}, path)
    with pytest.raises(InputError, match=r"lm_head\.weight must be wte\.weight"):
        load_checkpoint(path.parent)
    save_file({**tensors, "lm_head.weight": tensors["transformer.wte.weight"].clone()}, path)
    load_checkpoint(path.parent)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, b"half"])
def test_a_file_that_holds_no_tensors_is_named(tmp_path: Path, content: bytes) -> None:
    path = damaged(tmp_path) / WEIGHTS_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(InputError, match=r"model\.safetensors cannot be read: ") as caught:
        load_checkpoint(tmp_path)
    assert len(str(caught.value)) < 400
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"model\.safetensors cannot be read: "):
        load_checkpoint(tmp_path)


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("no directory")
    with pytest.raises(InputError, match=r"model/config\.json cannot be read: Not a directory"):
        load_checkpoint(tmp_path / "model")
