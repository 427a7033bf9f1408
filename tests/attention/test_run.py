"""What the stages hand on: the cases that all of them draw, and the measures kept by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from looking_glass.attention import cause_tables as causes
from looking_glass.attention import memory, run, tables
from looking_glass.attention.contexts import seen_by
from looking_glass.attention.interventions import single
from looking_glass.attention.measures import measure, measure_cases, of_block
from looking_glass.attention.params import AttentionParams
from looking_glass.attention.redrawn import redrawn
from looking_glass.attention.run import block_agreement, by_prompt, choice_arrays, draw, kept
from looking_glass.attention.traced import TracedSentence, block_arrays
from looking_glass.gpt.model import GPT
from looking_glass.text import sample
from looking_glass.text.corpus import Corpus, Tokens
from looking_glass.text.reader import Reader
from tests.helpers.cases import COMPUTE

MATCHED = torch.arange(50_257).roll(1)


@pytest.fixture(scope="module")
def text(tokenizer: Reader) -> Tokens:
    told = " ".join(f"so the {what} went home" for what in ("cat", "queen", "hatter", "king") * 5)
    return np.array(tokenizer.encode(told), dtype=np.uint16)


def params(*prompts: str, n: int = 6, words: int = 4) -> AttentionParams:
    return AttentionParams(
        prompts=prompts, blocks=("first", "last"), contexts=n, context_words=words, seed=3
    )


def test_the_cases_do_not_depend_on_the_prompts(
    model: GPT, tokenizer: Reader, text: Tokens
) -> None:
    drawn = []
    for prompts in (("one",), ("another one that is much longer than that",), ("a", "b")):
        cases, generator = draw(model, tokenizer, text, params(*prompts), COMPUTE)
        drawn.append((cases, torch.rand(3, generator=generator)))
        assert [len(case.words) for case in cases] == [4] * 6
    for cases, next_random in drawn[1:]:
        assert torch.equal(next_random, drawn[0][1])
        for one, other in zip(cases, drawn[0][0], strict=True):
            assert torch.equal(one.choices.contexts, other.choices.contexts)


def test_measures_are_kept_of_sentences_of_cases_and_of_a_model_that_learned_nothing(
    model: GPT, tokenizer: Reader, traced: TracedSentence, text: Tokens
) -> None:
    cases, generator = draw(model, tokenizer, text, params("a"), COMPUTE)
    state = generator.get_state()
    once = choice_arrays(model, [traced], cases, MATCHED, COMPUTE, generator)
    for of, expected in (
        ("prompt_1.word", measure(model, traced.choices, traced.spans, MATCHED)),
        ("contexts", measure_cases(model, cases, MATCHED, COMPUTE)),
    ):
        found = kept(once, of)
        assert set(found) == set(expected)
        for name, values in expected.items():
            assert torch.allclose(found[name], values, equal_nan=True), (of, name)
    # Another model, asked about the same choices: the first that the generator draws.
    assert once["redrawn.attention"].shape == once["contexts.attention"].shape
    assert not np.allclose(once["redrawn.attention"], once["contexts.attention"], atol=1e-3)
    other = redrawn(model, torch.Generator().set_state(state))
    measured = measure_cases(other, seen_by(other, cases, COMPUTE), MATCHED, COMPUTE)
    for name, values in kept(once, "redrawn").items():
        assert torch.allclose(values, measured[name], equal_nan=True), name
    patterns = block_agreement(1, once, generator)["pattern"].unique().tolist()
    assert patterns == ["attention", "shuffled", "position", "redrawn"]
    measured = of_block(kept(once, "contexts"), 1)
    assert measured["attention"].shape == (6, 4)


def test_a_sentences_tables_are_those_of_its_choice_and_of_the_block_asked_for(
    model: GPT, tokenizer: Reader, traced: TracedSentence, text: Tokens
) -> None:
    corpus = Corpus(train=text, val=text, vocab_size=50_257, val_bytes=1)
    made = run.choice_tables(model, tokenizer, traced, corpus)
    assert list(made) == ["alternatives", "blocks", "parts", "provenance", "removals"]
    own = model(traced.choices.contexts)[0, -1]
    first = made["alternatives"].iloc[0]
    assert first["text"] == tokenizer.decode_alone([int(own.argmax())])[0]
    assert made["blocks"]["block"].unique().tolist() == [1, 2]
    assert made["provenance"].equals(
        causes.provenance_table(traced.sentence, corpus.train, tokenizer)
    )
    everywhere = causes.removal_table(model, traced, range(2), "all blocks", tokenizer)
    rows = causes.removal_table(model, traced, range(2), "every row", tokenizer, every_row=True)
    assert made["removals"].equals(pd.concat([everywhere, rows]))
    assert not rows.drop(columns=rows.columns[0]).equals(everywhere.drop(columns=rows.columns[0]))

    cases, generator = draw(model, tokenizer, text, params("a"), COMPUTE)
    once = choice_arrays(model, [traced], cases, MATCHED, COMPUTE, generator)
    for block in (0, 1):
        of_one = run.block_tables(model, tokenizer, traced, block, once, 1)
        assert list(of_one) == [
            *("tokens", "words", "heads", "head_words", "rows", "measures", "removals")
        ]
        for name, spans in (("tokens", single(traced.case.length)), ("words", traced.spans)):
            measured = of_block(measure(model, traced.choices, spans, MATCHED), block)
            for what in ("knock_out", "direct", "weighted_norm"):
                found = of_one[name][what].to_numpy()[: len(spans)]
                np.testing.assert_allclose(found, measured[what], atol=1e-6)
        one_by_one = causes.by_head(model, traced.choices, block, traced.spans)
        told = of_one["head_words"].groupby("head")["knock_out"].agg(list)
        for head, effect in enumerate(one_by_one, start=1):
            np.testing.assert_allclose(told[head][:10], effect[0], atol=1e-6)
        added = causes.added_by_head(model, traced.choices, block)
        direct = of_one["heads"].groupby("head")["direct"].agg(list)
        np.testing.assert_allclose(direct[2][: added.shape[1]], added[1], atol=1e-6)
        pattern = traced.patterns[block].mean(dim=0)[traced.sentence.predicting]
        np.testing.assert_allclose(of_one["tokens"]["predicting_row"], pattern, atol=1e-6)
        assert of_one["rows"].equals(tables.row_table(traced, block))
        assert set(of_one["measures"]["measure"]) <= set(of_block(kept(once, "contexts"), block))
        assert of_one["removals"].equals(
            causes.removal_table(model, traced, [block], "this block", tokenizer)
        )


def test_memory_is_asked_for_what_will_be_read(
    model: GPT,
    tokenizer: Reader,
    traced: TracedSentence,
    text: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases, _ = draw(model, tokenizer, text, params("a"), COMPUTE)
    run.check_memory(model, [traced], cases, params("a"), COMPUTE)
    asked: list[object] = []
    monkeypatch.setattr(run, "require", lambda needs, *rest, **named: asked.extend((needs, named)))
    run.check_memory(model, [traced], cases, params("a"), COMPUTE)
    lengths = [case.length for case in cases]
    needs = memory.moments(model.config, [traced.case.length], lengths, n_words=4, threads=1)
    assert asked == [needs, {"stage": "choose", "keys": memory.KEYS}]


def test_a_long_text_is_read_as_far_as_the_contexts_asked_for_need(
    model: GPT, tokenizer: Reader, text: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def spy(text: Tokens, most: int) -> sample.Runs:
        asked.append(most)
        return sample.sample_runs(text, most)

    monkeypatch.setattr(run, "sample_runs", spy)
    monkeypatch.setattr(run, "MOST", 100)
    for n in (2, 6):
        draw(model, tokenizer, text, params("a", n=n), COMPUTE)
    assert asked == [100, 5 * 6 * 4], "five tokens for each of four words of six contexts"


def test_a_blocks_details_and_patterns_are_named_and_numbered(traced: TracedSentence) -> None:
    rows = tables.row_table(traced, 1)
    words = tables.word_table(traced, tables.token_table(traced, 1, {}), {})
    words["knock_out"] = 1.0
    trust = pd.DataFrame({"measure": [], "kind": [], "pattern": [], "correlation": []})
    cases = [traced.case, traced.case, traced.case]
    explained = {"rows": rows, "words": words}
    assert run.block_details(2, explained, trust, cases, {"shuffled": 0.5}) == {
        "block": 2,
        "context_words": len(traced.case.words),
        **tables.metrics(rows, words, trust, 3),
        "pattern_kept": {"shuffled": 0.5},
    }
    one, two = block_arrays(traced, 0), run.pattern_arrays([traced, traced], 0)
    assert list(two) == [f"prompt_{number}.{name}" for number in (1, 2) for name in one]
    for name, values in one.items():
        np.testing.assert_array_equal(two[f"prompt_2.{name}"], values)


def test_the_tables_of_several_sentences_are_joined_by_their_number() -> None:
    found = [{"a": pd.DataFrame({"x": [1, 2]})}, {"a": pd.DataFrame({"x": [3]})}]
    joined = by_prompt(found)
    assert joined["a"].to_dict("list") == {"prompt": [1, 1, 2], "x": [1, 2, 3]}


def test_from_a_long_text_cases_are_drawn_all_over_it(
    model: GPT, tokenizer: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MOST", 120)
    monkeypatch.setattr(run, "TOKENS_A_WORD", 1)
    monkeypatch.setattr(sample, "RUN", 40)
    told = "".join(f" so the {what} went home" * 100 for what in ("cat", "queen", "king"))
    whole = np.array(tokenizer.encode(told), dtype=np.uint16)
    cases, _ = draw(model, tokenizer, whole, params("a", n=5, words=5), COMPUTE)
    texts = [tokenizer.decode(case.choices.contexts[0].tolist()) for case in cases]
    found = [what for text in texts for what in ("cat", "queen", "king") if what in text]
    assert found == ["cat", "cat", "queen", "queen", "king"]
