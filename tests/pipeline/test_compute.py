"""Where tensors are computed: jobs side by side give what they give alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from looking_glass.pipeline.compute import ComputeParams, prepare, select_device, side_by_side
from looking_glass.pipeline.errors import InputError

TWO = ComputeParams(device="cpu", threads=2, portable=True)


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")


def test_results_come_in_the_order_of_the_jobs_whoever_is_done_first() -> None:
    torch.set_num_threads(2)
    second_done = threading.Event()

    def work(job: int) -> tuple[int, int]:
        if job == 0:
            assert second_done.wait(10), "the second works while the first one waits"
        elif job == 1:
            second_done.set()
        return job, torch.get_num_threads()

    assert side_by_side(work, range(5), TWO) == [(job, 1) for job in range(5)]
    assert torch.get_num_threads() == 2


def test_a_job_that_fails_is_heard_and_the_threads_are_put_back() -> None:
    def work(job: int) -> int:
        raise ZeroDivisionError(job)

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1], TWO)
    assert torch.get_num_threads() == 2


def test_one_thread_and_two_give_the_same_bits() -> None:
    def work(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(200, 300, generator=generator) @ torch.ones(300)

    one, two = (
        side_by_side(work, range(4), ComputeParams(device="cpu", threads=n, portable=True))
        for n in (1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_process_is_prepared_for_the_same_bits() -> None:
    assert prepare(TWO) == torch.device("cpu")
    assert torch.get_num_threads() == 2
    assert torch.are_deterministic_algorithms_enabled()


def test_auto_takes_the_best_and_what_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for cuda, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        assert select_device("auto").type == expected
    with pytest.raises(InputError, match="'mps' is not available to PyTorch here, which has cpu:"):
        select_device("mps")
