"""Token tables: which tokens share a form, and sums that fold into a plain embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from looking_glass.gpt.siblings import STEP, OutputLayer
from looking_glass.training.token_table import TokenTable, Vocabulary

# by id:  seen, seen,   twin of 0, new,   form of 3, sign
BYTES = [b" cat", b"run", b"Cat", b" dog", b" pig", b"!"]
TEXT = np.array([0, 1, 0, 0, 1, 0], dtype=np.uint16)


def test_what_no_token_of_the_text_has_is_no_feature() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    sign, dog, cat = (vocabulary.features[vocabulary.form_of[i]].tolist() for i in (5, 3, 0))
    padding = vocabulary.n_features
    assert set(sign) <= {padding, cat[1], cat[2]}, "of a lone sign only its rank can be known"
    assert padding in dog
    assert padding not in cat


def test_the_vocabulary_tells_seen_from_unseen_and_groups_by_form() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    assert vocabulary.seen.tolist() == [0, 1]
    assert vocabulary.counts.tolist() == [4, 2]
    assert vocabulary.unseen.tolist() == [2, 3, 4, 5]
    assert vocabulary.form_of[3] == vocabulary.form_of[4], "one form"
    assert len(vocabulary.unseen_forms) == 3
    assert vocabulary.multiplicity.sum() == 4
    place = vocabulary.row_of[3] - 2
    assert vocabulary.multiplicity[place] == 2
    assert vocabulary.row_of[:2].tolist() == [0, 1]


def test_the_table_folds_into_the_rows_that_it_computes() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    table = TokenTable(vocabulary, 8, std=0.5, discount=0.75).eval()
    plain = table.fold(vocabulary)
    assert plain.shape == (6, 8)
    computed = table(vocabulary.unseen_forms)[vocabulary.row_of]
    assert torch.allclose(computed[:2], plain[:2])
    assert torch.equal(computed[3], computed[4]), "one form, one row"
    assert not torch.equal(computed[0], computed[3])


def test_folding_numbers_the_tokens_of_one_form() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    table = TokenTable(vocabulary, 48, std=0.5, discount=0.75, free_channels=16).eval()
    plain = table.fold(vocabulary)
    added = (plain - table(vocabulary.unseen_forms)[vocabulary.row_of])[2:]
    digits = torch.zeros(4, 48)
    digits[1:3, 32] = torch.tensor([-STEP, STEP])  # the two of one form; the others are alone
    drawn = added - digits
    assert torch.allclose(drawn[1], drawn[2], atol=1e-6), "one form, one row"
    assert drawn[:, 16:].std(dim=1).tolist() == pytest.approx([0.02] * 4, rel=0.4)
    assert not torch.allclose(drawn[0], drawn[3], atol=1e-2)
    assert not plain[:, :16].any()
    assert len(OutputLayer(plain).runs[1]) == 1
    assert torch.equal(table.fold(vocabulary), plain)


def test_a_table_too_narrow_for_numbers_tells_tokens_apart_by_chance() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    narrow = TokenTable(vocabulary, 512, std=0.5, discount=0.75, free_channels=500).eval()
    individual = (narrow.fold(vocabulary) - narrow(vocabulary.unseen_forms)[vocabulary.row_of])[2:]
    assert not individual[:, :500].any()
    individual = individual[:, 500:]
    assert individual.std(dim=1).tolist() == pytest.approx([0.02] * 4, rel=0.6)
    assert not torch.equal(individual[1], individual[2])


def test_a_word_in_another_case_shares_its_words_vector() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    table = TokenTable(vocabulary, 8, std=0.5, discount=0.75).eval()
    before = table.fold(vocabulary)
    shared = set(vocabulary.features[vocabulary.form_of[2]].tolist())
    shared &= set(vocabulary.features[vocabulary.form_of[0]].tolist())
    shared -= set(vocabulary.features[vocabulary.form_of[3]].tolist())
    assert shared, "a feature that cat and Cat have, and dog has not"
    with torch.no_grad():
        table.shared[list(shared)] += 1
    moved = (table.fold(vocabulary) - before).abs().sum(dim=1) > 0
    assert moved.tolist() == [True, False, True, False, False, False]


def test_rare_tokens_do_without_their_own_row_as_often_as_the_discount_says() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    table = TokenTable(vocabulary, 8, std=0.5, discount=1.0)
    none = torch.empty(0, dtype=torch.long)
    bare = table.form_rows(vocabulary.form_of[:2])
    dropped = torch.stack([(table(none) == bare).all(dim=1) for _ in range(2000)]).float().mean(0)
    assert dropped.tolist() == pytest.approx([0.25, 0.5], abs=0.04)
    table.eval()
    assert not (table(none) == bare).all(dim=1).any()


def test_padding_adds_nothing_and_is_never_learned() -> None:
    vocabulary = Vocabulary(TEXT, BYTES)
    table = TokenTable(vocabulary, 8, std=0.5, discount=0.75).eval()
    table(vocabulary.unseen_forms).sum().backward()
    assert table.shared.grad is not None
    assert table.shared.grad[-1].abs().sum() == 0
    assert table.shared.grad[:-1].abs().sum() > 0
    before = table.fold(vocabulary)
    with torch.no_grad():
        table.shared[-1] += 5
    assert torch.equal(table.fold(vocabulary), before)
