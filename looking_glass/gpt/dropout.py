"""Dropout whose masks cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """`nn.Dropout`, but on a CPU it draws a byte for an element in place of a float.

    PyTorch draws CPU masks number by number in one thread, a tenth of a training step of this
    project. Here eight elements share a draw of 64 bits, so that the share dropped is a multiple of
    1/256: 77/256 for p = 0.3. What is kept is divided by the share that is really kept, so that the
    expectation is exact.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with elements zeroed at random, in train mode; any shape."""
        dropped = round(256 * self.p)
        if not self.training or not dropped:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling() or dropped == 256:
            return super().forward(x)
        n = x.numel()
        words = torch.empty((n + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        drawn = words.view(torch.uint8)[:n].view(x.shape)
        # Straight into floats: by way of booleans, or of `where`, it takes ten times as long.
        kept = torch.ge(drawn, dropped, out=torch.empty(x.shape))
        return x * kept.mul_(256 / (256 - dropped)).to(x.dtype)
