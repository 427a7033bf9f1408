"""What the model says is judged with no target in its sight."""

from __future__ import annotations

import torch

from looking_glass.gpt.generation import generate_greedy
from looking_glass.inversion.judging import judge
from tests.helpers.models import make_model

TARGET = torch.tensor([5, 90, 17, 5, 33])


def test_a_prefix_is_judged_by_what_the_model_writes_after_it() -> None:
    model = make_model(n_embd=32)
    prompt = torch.tensor([[3, 60, 8]])
    written = generate_greedy(model, model.embed(prompt), 5)[0]
    right = judge(model, written, model.embed(prompt), parallel=False)
    assert right.exact.tolist() == [True]
    wrong = written.clone()
    wrong[3] = (wrong[3] + 1) % 97
    verdict = judge(model, wrong, model.embed(prompt), parallel=False)
    assert verdict.exact.tolist() == [False]
    assert verdict.said.tolist() == [written.tolist()], "the target has no part in what is said"
    assert verdict.correct.tolist() == [[True, True, True, False, True]]
    assert verdict.gaps[0, 3] < 0 < verdict.gaps[0, 2]
    assert verdict.ranks[0, 3] > 1


def test_prefix_log_probs_are_those_of_the_text_after_the_prefix() -> None:
    model = make_model(n_embd=32)
    prompt = torch.tensor([[3, 60, 8]])
    verdict = judge(model, TARGET, model.embed(prompt), parallel=False)
    logits = model(torch.cat([prompt, TARGET[None, :-1]], dim=1))[0, 2:]
    expected = logits.log_softmax(-1).gather(1, TARGET[:, None]).squeeze(1)
    assert torch.allclose(verdict.log_probs[0], expected, atol=1e-5)
