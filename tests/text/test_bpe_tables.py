"""Tables of another vocabulary: the same tokens as Hugging Face's own encoder gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer

from looking_glass.pipeline.errors import InputError
from looking_glass.text.bpe_tables import read_tables
from looking_glass.text.tokenizer import Tokenizer
from tests.helpers.project import TEXT

TEXTS = [TEXT, "The cat's   walnut!\n\n 2022 🤗 猫 \t x", "ZZZZ<|endoftext|>ü", ""]


def trained(directory: Path, *special: str) -> tuple[ByteLevelBPETokenizer, Path, Path]:
    encoder = ByteLevelBPETokenizer()
    encoder.train_from_iterator(
        [TEXT], vocab_size=400, min_frequency=1, special_tokens=[*special], show_progress=False
    )
    directory.mkdir(exist_ok=True)
    encoder.save_model(str(directory))
    return encoder, directory / "vocab.json", directory / "merges.txt"


@pytest.mark.parametrize("special", [(), ("<|endoftext|>",), ("<s>", "<pad>", "</s>")])
def test_a_learned_vocabulary_gives_hugging_faces_tokens(
    tmp_path: Path, special: tuple[str, ...]
) -> None:
    theirs, *tables = trained(tmp_path, *special)
    ours = Tokenizer(*tables)
    n = theirs.get_vocab_size()
    assert (ours.vocab_size, len(ours.token_bytes())) == (n, n)
    assert ours.end_of_text == (len(special) - 1 if special else None)
    assert ours.ordinary_tokens() == list(range(len(special), n))
    for text in TEXTS:
        # That library knows its special tokens in a text; ours takes what a text has for text.
        plain = text.replace("<|endoftext|>", "")
        assert ours.encode(plain) == theirs.encode(plain).ids
        assert ours.decode(ours.encode(text)) == text
        assert not set(ours.encode(text)) & set(range(len(special)))


def shifted(ids: dict[str, int]) -> None:
    ids["!"] = len(ids)


def exchanged(ids: dict[str, int]) -> None:
    """The first merge and the last one: what is merged first has not the lowest id any more."""
    first, last = (name for name, token in ids.items() if token in (257, len(ids) - 1))
    ids[first], ids[last] = ids[last], ids[first]


def a_byte_less(ids: dict[str, int]) -> None:
    del ids["ÿ"]


def more(ids: dict[str, int]) -> None:
    ids["walnut"] = len(ids)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shifted, r"their ids are not 0 to \d+, each once"),
        (exchanged, "not in the order of their ids"),
        (a_byte_less, "do not belong together"),
        (more, "no merge makes 'walnut'"),
    ],
)
def test_tables_that_tiktoken_would_misread_are_refused(
    tmp_path: Path, change: Callable[[dict[str, int]], None], told: str
) -> None:
    _, vocab, merges = trained(tmp_path, "<|endoftext|>")
    ids = json.loads(vocab.read_text("utf-8"))
    change(ids)
    vocab.write_text(json.dumps(ids), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_tables(vocab, merges)


def test_gpt_2s_own_have_one_special_token_the_last(tables: tuple[Path, Path]) -> None:
    found = read_tables(*tables)
    assert (found.n_tokens, found.end_of_text) == (50_257, 50_256)
    assert found.special == {"<|endoftext|>": 50_256}
