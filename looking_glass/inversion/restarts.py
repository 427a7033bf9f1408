"""Vectors of several restarts while they are learned, and what was seen of each on the way."""

from __future__ import annotations

import torch
from torch import Tensor

from looking_glass.inversion.params import ReadingParams
from looking_glass.inversion.shortlist import Shortlist


class Restarts:
    """Adam with a rate that falls to zero along a cosine, of B restarts, those apart that are done.

    Legend: B restarts, A of them still learned, k vectors each, n target tokens.
    """

    def __init__(self, vectors: Tensor, params: ReadingParams) -> None:
        """Begin with `vectors` (B, k, C)."""
        self.drawn = vectors.detach().cpu()
        self.vectors = vectors.detach().clone().requires_grad_(True)  # (A, k, C)
        self.left = torch.arange(len(vectors))  # (A,): their places among the B
        self.ended = self.drawn.clone()  # (B, k, C): of those done
        self.seen: list[tuple[Tensor, ...]] = []  # a check each: `Shortlist.seen`, of all B
        # Fused: the other ways take roots by a library whose last bits are the processor's own.
        self.optimizer = torch.optim.Adam([self.vectors], lr=params.learning_rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, params.steps)

    def step(self, cost: Tensor) -> None:
        """Make one update towards a smaller `cost`."""
        self.optimizer.zero_grad(set_to_none=True)
        cost.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()

    def see(self, shortlist: Shortlist) -> None:
        """Add a check: of those still learned as `shortlist` has them, of others as it last was."""
        if len(self.left) == len(self.drawn):
            self.seen.append(shortlist.seen())
        else:
            pairs = zip(self.seen[-1], shortlist.seen(), strict=True)
            self.seen.append(tuple(old.index_copy(0, self.left, new) for old, new in pairs))

    def see_no_more(self, checks: int) -> None:
        """Add what was last seen until there are so many `checks`."""
        self.seen += [self.seen[-1]] * (checks - len(self.seen))

    def release(self, done: Tensor) -> None:
        """Leave those that are `done` (A,), bool, as they are, and go on with the others."""
        self.ended = self.all_vectors()
        self._go_on_with((~done).nonzero()[:, 0])

    def keep(self, chosen: Tensor) -> None:
        """Go on with `chosen` (A,) of all, as if the others had never been."""
        at = chosen.cpu()
        self._go_on_with(chosen)
        self.drawn, self.ended, self.left = self.drawn[at], self.ended[at], torch.arange(len(at))
        self.seen = [tuple(one[at] for one in check) for check in self.seen]

    def all_vectors(self) -> Tensor:
        """Return the vectors of all restarts, done or not, on the CPU: (B, k, C)."""
        return self.ended.index_copy(0, self.left, self.vectors.detach().cpu())

    def _go_on_with(self, kept: Tensor) -> None:
        state = self.optimizer.state.pop(self.vectors, {})  # none before the first step
        shape, vectors = self.vectors.shape, self.vectors.detach()[kept].requires_grad_(True)
        self.optimizer.param_groups[0]["params"] = [vectors]
        self.optimizer.state[vectors] = {
            name: value[kept] if value.shape == shape else value for name, value in state.items()
        }
        self.vectors, self.left = vectors, self.left[kept.cpu()]
