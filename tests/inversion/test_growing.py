"""The longest text that a model writes by itself after learned vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from looking_glass.gpt.checkpoint import weights_sha256
from looking_glass.gpt.generation import generate_greedy
from looking_glass.gpt.model import GPT
from looking_glass.inversion.growing import LEAST_GAP, best_starts, grow, in_one_pass
from looking_glass.inversion.optimiser import initial_vectors
from tests.helpers.models import make_model

BLOCK = 16


def grown(model: GPT, text: Tensor, *, k: int, restarts: int = 2) -> tuple[list[int], int]:
    """Return how far each restart came and what was asked for, having held it to writing freely."""
    generator = torch.Generator().manual_seed(1)
    start = initial_vectors(model, restarts, k, noise=1.0, generator=generator)
    kept, before = start.clone(), weights_sha256(model)
    found = grow(model, text, start, patience=40)
    assert torch.equal(start, kept)
    assert weights_sha256(model) == before
    for vectors, n, gap in zip(found.vectors, found.lengths.tolist(), found.gaps, strict=True):
        said = generate_greedy(model, vectors[None], max(n, 1))[0]
        assert said[:n].tolist() == text[:n].tolist()
        assert float(gap) > LEAST_GAP
    gave_up = found.asked > int(found.lengths.max())
    assert found.steps >= (40 if gave_up else 0)
    return found.lengths.tolist(), found.asked


def test_what_the_model_writes_after_two_tokens_it_writes_after_two_vectors() -> None:
    model = make_model(n_embd=32)
    text = generate_greedy(model, model.embed(torch.tensor([[3, 60]])), 8)[0]
    assert grown(model, text, k=2, restarts=4)[0].count(8) > 0


def test_any_first_token_that_a_state_can_choose_is_written_after_one_vector() -> None:
    model = make_model(n_embd=32)
    for token in (5, 40, 90):
        assert max(grown(model, torch.tensor([token]), k=1, restarts=6)[0]) == 1


def test_it_stops_before_a_token_that_no_state_can_choose() -> None:
    model = make_model(n_embd=32)
    with torch.no_grad():  # the mean of all rows never has the largest logit
        model.lm_head.weight[7] = model.lm_head.weight.mean(dim=0)
    lengths, asked = grown(model, torch.tensor([5, 9, 7, 4]), k=6)
    assert lengths == [2, 2]
    assert asked == 3


def test_no_more_is_asked_for_than_the_block_holds() -> None:
    model = make_model(n_embd=32)
    text = generate_greedy(model, model.embed(torch.tensor([[3]])), BLOCK)[0]
    lengths, asked = grown(model, text, k=BLOCK - 2)
    assert max(lengths) <= asked <= 3
    assert max(grown(model, text[:1], k=BLOCK)[0]) == 1


def test_two_vectors_say_in_one_pass_what_two_others_said() -> None:
    model = make_model(n_embd=32)
    pair = torch.randn(1, 2, 32)
    given = torch.cat([pair[:, :1], pair[:, 1:].expand(-1, 5, -1)], dim=1)
    text = model.forward_embeddings(given)[0].argmax(dim=-1)  # (6,)
    start = pair + 0.3 * torch.randn(3, 2, 32)
    found = grow(model, text, start, patience=40, states=in_one_pass)
    assert found.lengths.tolist().count(6) > 0
    best = found.vectors[int(found.lengths.argmax())]
    said = model.forward_embeddings(best[[0, 1, 1, 1, 1, 1]][None])[0].argmax(dim=-1)
    assert said.tolist() == text.tolist()
    assert found.asked <= BLOCK


def test_the_best_starts_are_those_that_say_the_first_token_best() -> None:
    model = make_model(n_embd=32)
    drawn, text = torch.randn(12, 3, 32), torch.tensor([40, 2])
    kept = best_starts(model, text, drawn, 2)
    log_probs = model.forward_embeddings(drawn)[:, -1].log_softmax(dim=-1)[:, 40]
    assert torch.equal(kept, drawn[log_probs.argsort(descending=True)[:2]])
