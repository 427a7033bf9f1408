"""GPT-2's tables as numbers: which two tokens each merge joins."""

from __future__ import annotations

import json
from pathlib import Path

from looking_glass.pipeline.errors import InputError
from looking_glass.report.live.packing import NoPageError

N_BYTES = 256


def byte_letters() -> dict[str, int]:
    """Return the byte that each letter of the tables stands for, in the order of their tokens.

    Bytes that print stand for themselves; the others for letters from U+0100 on.
    """
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(N_BYTES) if byte not in printed]
    letters = [*map(chr, printed), *(chr(N_BYTES + index) for index in range(len(others)))]
    return dict(zip(letters, [*printed, *others], strict=True))


def read_merges(vocab: Path, merges: Path) -> list[tuple[int, int]]:
    """Return the tokens that each merge joins: merge number i makes token 256 + i.

    Raises `InputError` when the files are damaged, and `NoPageError` unless the ids of `vocab`
    (vocab.json) are in the order of `merges` (merges.txt), as GPT-2's are, and followed by one
    token at most: the end of a text.
    """
    try:
        ids = json.loads(vocab.read_bytes().decode("utf-8"))
        lines = merges.read_bytes().decode("utf-8").split("\n")
        pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
        found = [(int(ids[left]), int(ids[right])) for left, right in pairs]
        made = [ids[left + right] for left, right in pairs]
        single = [ids[letter] for letter in byte_letters()]
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename}: GPT-2's tables are required beside the weights: save them there"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _no_tables(vocab, merges) from None
    n = N_BYTES + len(pairs)
    if single + made != list(range(n)) or len(ids) > n + 1:
        raise NoPageError(
            f"{vocab} and {merges}: the ids of GPT-2's tables are required, bytes, merges in their "
            "order and one token more, these are others: open a model with such an encoder"
        )
    return found


def _no_tables(vocab: Path, merges: Path) -> InputError:
    return InputError(
        f"{vocab} and {merges}: GPT-2's encoder.json and vocab.bpe are required, these two are no "
        "such tables: save the model with its own"
    )
