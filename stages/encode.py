"""Clean the book, encode it with GPT-2's byte-pair encoder, and split it in two."""

from __future__ import annotations

from pathlib import Path

from looking_glass.pipeline.artifacts import whole_directory, write_csv, write_json
from looking_glass.pipeline.errors import run_stage
from looking_glass.pipeline.params import load_section
from looking_glass.text.corpus import check_parts
from looking_glass.text.frequencies import rank_frequency, unseen_rate
from looking_glass.text.params import EncodeParams
from looking_glass.text.run import encode_book
from looking_glass.text.tokenizer import Tokenizer

BOOK, VOCAB, MERGES = Path("data/book.txt"), Path("data/encoder.json"), Path("data/vocab.bpe")
TOKENS, TABLES = Path("data/tokens"), Path("data/tables/encode")
METRICS = Path("metrics/encode.json")


def main() -> None:
    """Write the two token files, what they hold in numbers, and what was done to the text."""
    params = load_section(EncodeParams, "encode")
    tokenizer = Tokenizer(VOCAB, MERGES)
    with whole_directory(TOKENS) as directory:
        book = encode_book(BOOK, tokenizer, params, directory)
        check_parts(int(book.train.sum()), int(book.val.sum()), params.validation_fraction)
    for row in book.told.itertuples():
        print(f"{'warning: ' if row.kind == 'warning' else ''}{row.what}: {row.text}")

    table = rank_frequency(book.train)
    table["text"] = tokenizer.decode_alone(table["token"].tolist())
    with whole_directory(TABLES) as directory:
        write_csv(directory / "frequencies.csv", table)
        write_csv(directory / "cleaning.csv", book.told)
    write_json(
        METRICS,
        {
            "book_tokens": book.n_tokens,
            "book_train_tokens": int(book.train.sum()),
            "book_val_tokens": int(book.val.sum()),
            "book_distinct_tokens": int(((book.train + book.val) > 0).sum()),
            "book_bytes": book.n_bytes,
            "book_bytes_per_token": book.n_bytes / book.n_tokens,
            "book_val_unseen_rate": unseen_rate(book.train, book.val),
        },
    )


if __name__ == "__main__":
    run_stage(main)
