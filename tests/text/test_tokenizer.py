"""GPT-2's encoding against two independent encoders, and which tokens make up which word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from transformers import GPT2Tokenizer

from looking_glass.pipeline.errors import InputError
from looking_glass.text.tokenizer import Tokenizer

# As tiktoken publishes it: the same language as ours in another form.
TIKTOKEN_PATTERN = (
    r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
)
KARPATHY = "Hello!! I'm Andrej Karpathy. It's 2022. w00t :D 🤗"
KARPATHYS_IDS = [15496, 3228, 314, 1101, 10948, 73, 509, 5117, 10036, 13, 632, 338, 33160, 13, 266,
                 405, 83, 1058, 35, 12520, 97, 245]  # fmt: skip

examples = settings(max_examples=150, derandomize=True, deadline=None)
# Any text, and text made of what the pattern treats apart.
pieces = st.sampled_from(
    ["'ll", "'SHOUT", "don't", " ", "  ", "\n", "\n\n", "\t", "\r\n", "\xa0", "\u3000", "\x1c",
     "Alice", " the", "42", "½", "!?", "—", "“", "é", "e\u0301", "猫", "🤗", "\0",
     "\x01", "!\x01", "\u2028", "\u180e",
     "<|endoftext|>"]
)  # fmt: skip
texts = st.text(max_size=30) | st.lists(pieces, max_size=12).map("".join)


@pytest.fixture(scope="module")
def published(tables: tuple[Path, Path]) -> tiktoken.Encoding:
    """tiktoken's own GPT-2."""
    vocab, merges = map(str, tables)
    ranks = data_gym_to_mergeable_bpe_ranks(merges, vocab)
    special = {"<|endoftext|>": 50_256}
    return tiktoken.Encoding(
        "r50k", pat_str=TIKTOKEN_PATTERN, mergeable_ranks=ranks, special_tokens=special
    )


@pytest.fixture(scope="module")
def hugging_face(tables: tuple[Path, Path]) -> GPT2Tokenizer:
    """Hugging Face's GPT-2, which shares no code with tiktoken."""
    vocab, merges = map(str, tables)
    return GPT2Tokenizer(vocab=vocab, merges=merges)


def test_a_known_text_has_its_known_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(KARPATHY) == KARPATHYS_IDS
    assert tokenizer.vocab_size == 50_257


@examples
@given(text=texts)
@example(text=KARPATHY)
@example(text="'SHOUT it, y'all'd")
@example(text="a  b   'll\n\n  c \n")
@example(text="a  b \x01\n\n \x01!c")
def test_tokens_equal_tiktokens_and_hugging_faces_and_read_back_as_the_text(
    tokenizer: Tokenizer,
    published: tiktoken.Encoding,
    hugging_face: GPT2Tokenizer,
    text: str,
) -> None:
    tokens = tokenizer.encode(text)
    assert tokens == published.encode_ordinary(text)
    assert tokens == hugging_face(text, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(tokens) == text
    assert tokenizer.n_bytes(tokens) == len(text.encode())


@examples
@given(text=texts, white=st.text(st.sampled_from(" \n\t\xa0"), max_size=4))
@example(text="", white="\n\n")
def test_a_prompt_has_the_tokens_it_will_have_once_a_word_follows(
    tokenizer: Tokenizer, text: str, white: str
) -> None:
    prompt = tokenizer.encode_prompt(text + white)
    if (text + white) == (text + white).rstrip():
        assert prompt == tokenizer.encode(text + white)
        return
    continued = tokenizer.encode(text + white + "Alice")
    assert continued[: len(prompt)] == prompt
    assert tokenizer.decode(continued[len(prompt) :]) in ("Alice", " Alice")


def test_half_a_pair_of_surrogates_is_no_character_as_with_tiktoken(
    tokenizer: Tokenizer, published: tiktoken.Encoding
) -> None:
    text = "a  \ud83e b\n\nc"
    assert tokenizer.encode(text) == published.encode_ordinary(text)


def test_the_end_of_text_mark_in_a_book_is_ordinary_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]
    assert tokenizer.decode([50_256]) == "<|endoftext|>"


def test_a_part_of_a_character_is_told_in_a_text_and_alone(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("I am a walnut 🤗")
    whole = ["I", " am", " a", " wal", "nut"]
    assert tokenizer.decode_each(tokens) == [*whole, " 🤗[1/3]", "🤗[2/3]", "🤗[3/3]"]
    assert tokenizer.decode_running(tokens) == [*whole, " 🤗", "", ""]
    assert tokenizer.decode_alone(tokens) == [*whole, "⟨20 F0 9F⟩", "⟨A4⟩", "⟨97⟩"]


def test_hugging_faces_own_files_serve_as_well(tables: tuple[Path, Path], tmp_path: Path) -> None:
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    vocab.write_bytes(tables[0].read_bytes())
    merges.write_bytes(tables[1].read_bytes())
    assert Tokenizer(vocab, merges).encode(KARPATHY) == KARPATHYS_IDS


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"<html>Not found</html>\n<p>\n",
        lambda content: b"\xff\xfe" + content,
        lambda content: b"[]",
    ],
    ids=["cut", "empty", "a page", "not UTF-8", "a list"],
)
def test_tables_that_are_damaged_are_refused(
    tables: tuple[Path, Path], tmp_path: Path, which: int, change: Callable[[bytes], bytes]
) -> None:
    paths = list(tables)
    paths[which] = tmp_path / "damaged"
    paths[which].write_bytes(change(tables[which].read_bytes()))
    with pytest.raises(InputError, match=r"damaged.*encoder\.json and vocab\.bpe are required"):
        Tokenizer(*paths)


def test_a_table_that_is_missing_says_which_stage_brings_it(
    tables: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"gone.json cannot be read .*: run dvc repro download"):
        Tokenizer(tmp_path / "gone.json", tables[1])


def test_other_tables_at_the_same_path_are_read_anew(
    tables: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # tiktoken keeps copies by path: with them on, a table that changed must not come from there.
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "cache"))
    vocab, merges = tmp_path / "encoder.json", tmp_path / "vocab.bpe"
    vocab.write_bytes(tables[0].read_bytes())
    merges.write_bytes(tables[1].read_bytes())
    assert Tokenizer(vocab, merges).encode(" the") == [262]
    table = json.loads(vocab.read_text(encoding="utf-8"))
    *kept, last, _ = merges.read_text(encoding="utf-8").split("\n")
    del table["".join(last.split())]
    table["<|endoftext|>"] = 50_255
    vocab.write_text(json.dumps(table), encoding="utf-8")
    merges.write_text("\n".join([*kept, ""]), encoding="utf-8")
    assert Tokenizer(vocab, merges).vocab_size == 50_256


whites = st.sampled_from([" ", "\n", "\t", "\xa0", "\u3000", " \n", "\n\n  "])


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    parts=st.lists(
        st.tuples(
            whites, st.integers(9_990, 10_010), st.sampled_from(["", "a", " b", "\x1c", "!"])
        ),
        min_size=1,
        max_size=3,
    ),
    before=st.sampled_from(["", "x", "\x1f", "'ll"]),
)
def test_long_white_space_has_the_tokens_that_tiktoken_gives_it(
    tokenizer: Tokenizer,
    published: tiktoken.Encoding,
    parts: list[tuple[str, int, str]],
    before: str,
) -> None:
    text = before + "".join(white * (n // len(white) + 1) + word for white, n, word in parts)
    assert tokenizer.encode(text) == published.encode_ordinary(text)
    assert tokenizer.encode_array(text).tolist() == tokenizer.encode(text)


@pytest.mark.parametrize("run", [" ", "\n", "a", "="])
def test_a_run_of_millions_of_one_character_is_encoded(tokenizer: Tokenizer, run: str) -> None:
    text = "x" + run * 2_000_000 + "y"
    tokens = tokenizer.encode_array(text).tolist()
    assert tokenizer.n_bytes(tokens) == len(text)
    assert tokenizer.decode(tokens) == text
    # By tiktoken's own tokens of a shorter run: both ends, and the period in between.
    short = tokenizer.encode("x" + run * 5_000 + "y")
    assert tokens[:100] == short[:100] or run == "="
    assert tokens[-20:] == short[-20:] or run in "a="
    assert tokenizer.encode_prompt("x" + " " * 2_000_000)[0] == 87
