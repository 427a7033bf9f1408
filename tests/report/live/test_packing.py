"""Weights as text: what comes back, at which precision, and in how many bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from looking_glass.pipeline.errors import InputError
from looking_glass.report.live import packing
from looking_glass.report.live.packing import ALPHABET, Array, as_text, check_size, pack, unpacked
from tests.helpers.node import evaluated

HERE = Path(packing.__file__).parent
READ = """
import {{ bytesOf, inflate, tensorsOf }} from "{here}/unpack.js";
import {{ readFileSync }} from "node:fs";
const {{ head, body }} = JSON.parse(readFileSync(0, "utf8"));
const found = tensorsOf(JSON.parse(head), await inflate(bytesOf(body)));
const told = Object.entries(found).map(([name, {{ data }}]) => [name, [...data]]);
console.log(JSON.stringify(Object.fromEntries(told)));
"""


def weights(vocabulary: int = 50) -> dict[str, Array]:
    generator = np.random.default_rng(1)
    shapes = {"transformer.wte.weight": (vocabulary, 8), "h.c_fc.weight": (32, 8), "h.bias": (32,)}
    drawn = {name: generator.normal(size=shape) for name, shape in shapes.items()}
    drawn["h.c_fc.weight"][3] = 0  # a row without any
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def test_the_alphabet_means_nothing_in_a_page() -> None:
    assert len(set(ALPHABET)) == 91
    assert not set(b"<&\\ \n\r\0") & set(ALPHABET)


@pytest.mark.parametrize("most", [1_000_000, 1_450])
def test_what_was_packed_comes_back_in_javascript(most: int) -> None:
    given = weights()
    met = np.arange(50) < 20
    packed = pack(given, met, True, most)
    assert len(packed.body) <= most
    assert (packed.coarse < packed.fine) == (most < 10_000)
    given_to = json.dumps({"head": packed.head, "body": packed.body})
    found = json.loads(evaluated(READ.format(here=HERE), given_to))
    for name, array in unpacked(given, packed, met).items():
        np.testing.assert_array_equal(np.float32(found[name]), array.ravel())


def test_rows_that_were_met_are_the_precise_ones() -> None:
    given, met = weights(), np.arange(50) < 20
    found = unpacked(given, pack(given, met, True, 1_450), met)
    error = np.abs(found["transformer.wte.weight"] - given["transformer.wte.weight"]).max(axis=1)
    assert error[met].max() < error[~met].min()
    np.testing.assert_array_equal(found["h.bias"], given["h.bias"])


def test_text_holds_as_many_bytes_as_it_says() -> None:
    for length in (0, 1, 12, 13, 14, 100):
        text = as_text(bytes(range(length)))
        assert len(text) == 4 + 2 * -(-8 * length // 13)


def test_too_large_a_model_is_one_line() -> None:
    with pytest.raises(InputError, match=r"at most 99 bytes .* open a smaller one"):
        pack(weights(), np.zeros(50, dtype=np.bool_), True, 99)
    with pytest.raises(InputError, match=r"a model of 38,597,376 numbers .* would take 1\d\d,"):
        check_size(38_597_376, 85_000_000, 14_000_000)
