"""A reader of another language reads the same tokens in its own words."""

from __future__ import annotations

from pathlib import Path

from looking_glass.text.language import TextParams
from looking_glass.text.reader import Reader


def test_words_and_sentences_are_those_of_its_language(tables: tuple[Path, Path]) -> None:
    reader = Reader(*tables, TextParams(language="zh", words="segments"))
    tokens = reader.encode("我来了。你去吗？")
    assert [word.text for word in reader.words(tokens)] == ["我", "来", "了。", "你", "去", "吗？"]
    assert reader.decode(tokens[: reader.sentence_length(tokens)]) == "我来了。"
    assert not reader.sentence_is_over("我来了。".encode())
    by_token = Reader(*tables, TextParams(language="de", words="tokens"))
    tokens = by_token.encode("Wal 我")
    assert [(w.start, w.stop) for w in by_token.words(tokens)] == [(0, 1), (1, 2), (2, 4)]
