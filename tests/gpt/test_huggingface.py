"""What lies beside the weights makes Hugging Face's libraries do what this project does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from looking_glass.gpt.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from looking_glass.gpt.huggingface import TOKENIZER_FILE
from looking_glass.text.reader import Reader
from tests.helpers.models import make_model

BLOCK = 16
PROMPT = "Alice was beginning to get very tired"  # 7 tokens
LONG = " ".join([PROMPT] * 5)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, tables: tuple[Path, Path]) -> Path:
    torch.manual_seed(0)
    model = make_model(vocab_size=50_257, block_size=BLOCK)
    path = tmp_path_factory.mktemp("given") / "model"
    vocab, merges = tables
    save_checkpoint(path, model.state_dict(), model.config, vocab=vocab, merges=merges)
    return path


@pytest.fixture(scope="module")
def rust(directory: Path) -> RustTokenizer:
    return RustTokenizer.from_file(str(directory / TOKENIZER_FILE))


@pytest.fixture(scope="module")
def writer(directory: Path) -> Any:
    return pipeline("text-generation", model=str(directory))


def written(answer: Any) -> str:
    return str(answer[0]["generated_text"])


def test_the_same_model_gives_the_same_bytes(
    directory: Path, tmp_path: Path, tables: tuple[Path, Path]
) -> None:
    model = load_checkpoint(directory)
    vocab, merges = tables
    save_checkpoint(tmp_path, model.state_dict(), model.config, vocab=vocab, merges=merges)
    names = sorted(path.name for path in directory.iterdir())
    assert names == [
        *("config.json", "generation_config.json", "merges.txt", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json", "vocab.json"),
    ]
    for name in names:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes(), name
    assert weights_sha256(load_checkpoint(tmp_path)) == weights_sha256(model)


def test_a_model_without_tables_has_no_tokenizer(tmp_path: Path) -> None:
    model = make_model()
    save_checkpoint(tmp_path, model.state_dict(), model.config)
    assert not (tmp_path / TOKENIZER_FILE).exists()
    end = json.loads((tmp_path / "generation_config.json").read_text())
    assert end["max_length"] == BLOCK
    assert {end[f"{name}_token_id"] for name in ("bos", "eos", "pad")} == {96}


@settings(max_examples=100)
@given(
    text=st.text()
    | st.text(alphabet=" \n\t\u00a0\u0085\u001c\u3000'stREmx1½.,—’\u0301é🐿\U0001f468\u200d")
    | st.lists(st.sampled_from(["I'm", " don't", "\n\n", "  ", "Alice", " 42", "ſt"])).map("".join)
)
def test_the_ids_are_tiktokens(rust: RustTokenizer, tokenizer: Reader, text: str) -> None:
    pieces = text.replace("<|endoftext|>", "")
    assert rust.encode(pieces).ids == tokenizer.encode(pieces)
    assert rust.decode(rust.encode(pieces).ids) == pieces


def test_transformers_takes_tokenizer_and_weights(directory: Path, tokenizer: Reader) -> None:
    theirs = AutoTokenizer.from_pretrained(directory)
    assert theirs.model_max_length == BLOCK
    assert theirs(LONG, truncation=True)["input_ids"] == tokenizer.encode(LONG)[-BLOCK:]
    model = AutoModelForCausalLM.from_pretrained(directory)
    assert model.dtype == torch.float32
    batch = theirs([PROMPT, "Alice"], return_tensors="pt", padding=True)
    places = batch["attention_mask"].cumsum(-1).sub(1).clamp(min=0)
    logits = model(**batch, position_ids=places).logits.detach()
    own = load_checkpoint(directory)
    for row, text in enumerate((PROMPT, "Alice")):
        tokens = torch.tensor([tokenizer.encode(text)])
        assert torch.allclose(logits[row, -1], own(tokens)[0, -1], atol=1e-4)


def test_a_pipeline_writes_until_the_block_is_full(writer: Any, tokenizer: Reader) -> None:
    greedy = {"do_sample": False}
    ids = writer(PROMPT, **greedy, return_tensors=True)[0]["generated_token_ids"]
    assert len(ids) == BLOCK
    assert ids[:7] == tokenizer.encode(PROMPT)


def test_a_longer_prompt_is_refused_in_words_or_loses_its_beginning(writer: Any) -> None:
    with pytest.raises(ValueError, match=r"Input length of input_ids is 35, but `max_length`"):
        writer(LONG)
    told = {"handle_long_generation": "hole", "max_new_tokens": 5, "do_sample": False}
    end = " ".join(LONG.split()[-11:])
    assert written(writer(LONG, **told)).removeprefix(LONG) == written(
        writer(" " + end, **told)
    ).removeprefix(" " + end)


def test_prompts_of_two_lengths_are_continued_as_each_alone(writer: Any) -> None:
    told = {"do_sample": False, "max_new_tokens": 5}
    prompts = [PROMPT, "Alice"]
    together = [written(answer) for answer in writer(prompts, batch_size=2, **told)]
    assert together == [written(writer(prompt, **told)) for prompt in prompts]
