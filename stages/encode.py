"""Clean the book, encode it with GPT-2's byte-pair encoder, and split it in two."""

from __future__ import annotations

from pathlib import Path

from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import (
    Corpus,
    EncodeParams,
    clean,
    rank_frequency,
    split,
    unseen_rate,
    write_corpus,
)
from looking_glass.text.tokenizer import Tokenizer

BOOK, VOCAB, MERGES = Path("data/book.txt"), Path("data/encoder.json"), Path("data/vocab.bpe")
TOKENS = Path("data/tokens")
METRICS = Path("metrics/encode.json")
FREQUENCIES = Path("data/tables/encode/frequencies.csv")


def main() -> None:
    """Write the two token files, what they hold in numbers, and the rank–frequency table."""
    params = load_section(EncodeParams, "encode")
    tokenizer = Tokenizer(VOCAB, MERGES)
    text = clean(BOOK.read_bytes(), params, what=str(BOOK))
    tokens = tokenizer.encode(text)
    train, val = split(tokens, params.validation_fraction, params.held_out)
    scored = [int(token) for token in val[1:]]
    corpus = Corpus(
        train=train,
        val=val,
        vocab_size=tokenizer.vocab_size,
        val_bytes=tokenizer.n_bytes(scored),
    )

    table = rank_frequency(train)
    table["text"] = tokenizer.decode_alone(table["token"].tolist())
    write_csv(FREQUENCIES, table)
    n_bytes = len(text.encode("utf-8"))
    write_json(
        METRICS,
        {
            "book_tokens": len(tokens),
            "book_train_tokens": len(train),
            "book_val_tokens": len(val),
            "book_distinct_tokens": len(set(tokens)),
            "book_bytes": n_bytes,
            "book_bytes_per_token": n_bytes / len(tokens),
            "book_val_unseen_rate": unseen_rate(corpus),
        },
    )
    with whole_directory(TOKENS) as directory:
        write_corpus(directory, corpus)
    print(f"{TOKENS}: {len(train):,} training and {len(val):,} validation tokens")


if __name__ == "__main__":
    run_stage(main)
