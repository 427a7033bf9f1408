"""Bad input gets one line, and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from looking_glass.pipeline import memory
from looking_glass.pipeline.errors import run_stage
from stages import attention, choose, download, encode, invert, logprob, train, yardstick
from tests.helpers.project import TEN, edit, main_of

BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "an unknown key": (train, {"train__stepz": 1}, "unknown key 'train.stepz'"),
    "a language by its name": (
        logprob,
        {"text__language": "german"},
        "'text.language': .*two-letter code .*got 'german'",
    ),
    "another kind of words": (choose, {"text__words": "letters"}, "'text.words': .*got 'letters'"),
    "an unknown section": (encode, {"trian": {}}, "unknown section 'trian'"),
    "a mistyped value": (train, {"train__steps": "many"}, "'train.steps': .*got 'many'"),
    "heads that do not divide the width": (train, {"model__n_head": 5}, "divisible by n_head"),
    "an empty sentence": (
        invert,
        {"invert__sentence": ""},
        "sentence: at least one token is required",
    ),
    "a sentence over the block": (
        invert,
        {"invert__sentence": "a b " * 40},
        "64 tokens are required, got 81",
    ),
    "a prompt of 9 words": (choose, {"attention__prompts": [TEN]}, "exactly 10 words .* got 9"),
    "a second prompt of 11": (
        choose,
        {"attention__prompts": [TEN + " a", TEN + " a b"]},
        "exactly 10 .* got 11",
    ),
    "one block": (
        attention,
        {"attention__blocks": ["first"]},
        "report compares the two, got .*first",
    ),
    "a context of 13 words": (
        yardstick,
        {"attention__context_words": 13},
        "'attention.context_words': .*got 13",
    ),
    "one context": (choose, {"attention__contexts": 1}, "'attention.contexts': .*got 1"),
    "a wrong sha256": (download, {"download__book__local__sha256": "0" * 64}, "required sha256 0"),
    "a file that is not there": (download, {"download__book__local__path": "no"}, "cannot be read"),
    "a model that no machine holds": (
        train,
        {"model__n_embd": 65_536, "model__n_layer": 1000},
        "train: [0-9,.]+ GB of memory will be needed .* available: lower .*model.n_embd, model.n_l",
    ),
    "a block over the text": (train, {"model__block_size": 4000}, "must hold .* 4001 tokens"),
    "no place for the text": (encode, {"encode__start_at": "Once"}, "begins with 'Once'"),
    "too many tokens": (logprob, {"logprob__max_tokens": 65}, "must fit in a block of 64"),
    "an empty sentence to score": (logprob, {"logprob__sentences": ["a", ""]}, "number 2 is ''"),
    "a stride over the block": (logprob, {"logprob__stride": 65}, "stride: at most the block, 64"),
    "a share over 1": (logprob, {"logprob__top_p": 1.5}, "'logprob.top_p': .*got 1.5"),
    "more tokens than there are": (
        train,
        {"train__sampled_tokens": 60_000},
        "train.sampled_tokens: at most the vocabulary, 50257 tokens",
    ),
    "a top k over the vocabulary": (
        logprob,
        {"logprob__top_k": 60_000},
        "logprob.top_k: at most the vocabulary, 50257 tokens",
    ),
    "nothing held out": (
        encode,
        {"encode__validation_fraction": 1e-9},
        "encode.validation_fraction: .* leaves .* and 1",
    ),
    "no prompt": (logprob, {"logprob__prompt": ""}, "at least one token"),
    "parts of a batch": (train, {"train__accumulate": 3}, "divisible by .* got 8, 3 and 1"),
    "no checkpoint": (train, {"model__init": "gpt2"}, "model.init: .* gpt2/config.json is not"),
    "no package": (train, {"model__implementation": "mingpt"}, "importable package mingpt"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_changes_nothing(
    copy: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, changes, message = BAD[case]
    edit(copy, **changes)
    check_refused(copy, main_of(module, "first"), message, capsys)


# What the machine has in MB, what is asked for, and what is to be told.
TOO_MUCH: dict[Any, tuple[int, dict[str, Any], str]] = {
    train: (2000, {"train__batch_size": 65_536}, "lower train.batch_size .or raise train.acc"),
    invert: (2000, {"invert__parallel__restarts": 10_000}, "judging.* lower invert.parallel.rest"),
    choose: (
        40,
        {},
        "choose: .* MB of memory will be needed .* lower model.n_layer, model.n_embd",
    ),
    yardstick: (40, {"attention__context_words": 12}, "sets .* lower attention.context_words"),
    logprob: (10, {}, "model.safetensors: 1.* MB of memory will be needed"),
}


@pytest.mark.parametrize("module", TOO_MUCH, ids=lambda module: module.__name__)
def test_what_memory_cannot_hold_is_refused_before_it_is_taken(
    copy: Path, module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    megabytes, changes, message = TOO_MUCH[module]
    monkeypatch.setattr(memory, "available", lambda _device: megabytes * 10**6)
    edit(copy, **changes)
    check_refused(copy, main_of(module, "first"), message, capsys)


def test_a_text_that_is_not_utf8_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "data/book.txt").unlink()
    (copy / "data/book.txt").write_bytes("CHAPTER I.\nCafé".encode("latin-1"))
    check_refused(copy, main_of(encode), "text in utf-8 is required .* byte 14 .0xe9.", capsys)


def test_the_download_writes_all_three_files_or_none(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("book.txt", "encoder.json", "vocab.bpe")
    for name in names:
        (copy / "data" / name).unlink()
    edit(copy, download__merges__local={"path": "my_merges"})
    check_refused(copy, main_of(download), "my_merges cannot be read", capsys)
    (copy / "my_merges").write_bytes(b"any content will do where none is pinned")
    main_of(download)()
    assert (copy / "data/vocab.bpe").read_bytes() == (copy / "my_merges").read_bytes()
    assert all((copy / "data" / name).exists() for name in names)


def test_an_index_that_cannot_be_reached_is_named(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    edit(copy, download__source="package")
    check_refused(copy, main_of(download), "could not be reached", capsys)


def check_refused(
    root: Path, main: Callable[[], None], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a stage that must fail with one line and leave every file as it was."""
    before = snapshot(root)
    with pytest.raises(SystemExit) as exit_:
        run_stage(main)
    line = str(exit_.value.code)
    assert re.search(message, line), line
    assert line.startswith("error: ")
    assert "\n" not in line
    assert capsys.readouterr().err == ""
    assert snapshot(root) == before


def snapshot(root: Path) -> dict[str, bytes]:
    folders = (root / name for name in ("data", "metrics", "reports"))
    return {str(p): p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}
