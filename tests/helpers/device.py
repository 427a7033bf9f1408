"""A device that has no float64, as Apple's has none, made of the CPU: it takes what that one takes.

Its tensors stand for others on the CPU, on which everything is computed. It bears the name of a
kind of device that PyTorch knows and leaves empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.optim.optimizer as optimizers
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

DEVICE, CPU = torch.device("lazy", 0), torch.device("cpu")
# Between devices; and an index may lie on the CPU, whatever it is an index of.
MIXED = ("_to_copy", "copy_", "index", "index_put_", "_index_put_impl_", "set_data")


class Elsewhere(Tensor):
    """A tensor on the device: what is asked of it is asked of the one on the CPU."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> Elsewhere:
        """Return what stands for `here`."""
        made: Elsewhere = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=DEVICE,
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute as the device does."""
        return _compute(func, args, kwargs or {})

    def item(self) -> Any:
        """Return the number, which a copy to the CPU says."""
        return self.here.item()

    def tolist(self) -> Any:
        """Return the numbers, which a copy to the CPU says."""
        return self.here.tolist()

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Be saved as what it stands for."""
        return Elsewhere, (self.here,)

    def __deepcopy__(self, memo: Any) -> Any:
        """Return a parameter of the same values."""
        return torch.nn.Parameter(Elsewhere(self.here.clone()), self.requires_grad)

    def __float__(self) -> float:
        """Return the number."""
        return float(self.here)

    def __bool__(self) -> bool:
        """Return whether it is true."""
        return bool(self.here)

    __int__ = __index__ = item


class _Device(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    given = [one for one in tree_iter((args, dict(kwargs))) if isinstance(one, Tensor)]
    ours = {id(one.here): one for one in given if isinstance(one, Elsewhere)}
    name = func._schema.name.removeprefix("aten::")
    if ours and name not in MIXED:
        strangers = [t for t in given if not isinstance(t, Elsewhere) and t.ndim > 0]
        if strangers:
            raise RuntimeError(f"{name}: tensors on {DEVICE} and on {strangers[0].device}")
    if ours and kwargs.get("dtype") == torch.float64:
        raise TypeError(f"{name}: {DEVICE} has no float64")  # of a copy elsewhere too
    device = kwargs.get("device")
    there = bool(ours) if device is None else torch.device(device).type == DEVICE.type

    def in_(one: Any) -> Any:
        if isinstance(one, Elsewhere):
            return one.here
        return CPU if isinstance(one, torch.device) and one.type == DEVICE.type else one

    def out(one: Any) -> Any:
        if not isinstance(one, Tensor) or isinstance(one, Elsewhere) or not there:
            return one
        if one.dtype == torch.float64:
            raise TypeError(f"{name}: {DEVICE} has no float64")
        return ours[id(one)] if id(one) in ours else Elsewhere(one)

    return tree_map(out, func(*tree_map(in_, args), **tree_map(in_, dict(kwargs))))


@contextmanager
def device_without_float64() -> Iterator[torch.device]:
    """Have the device there: `model.to(device)` works, and raises where it would on Apple's.

    A float64 on it raises `TypeError`; tensors of two devices in one operation, `RuntimeError`.
    """
    torch._C._set_only_lift_cpu_tensors(True)
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        # What PyTorch knows of real devices by their names.
        with (
            mock.patch.object(torch, "is_autocast_enabled", return_value=False),
            mock.patch.object(
                optimizers, "_get_fused_kernels_supported_devices", return_value=[DEVICE.type]
            ),
            _Device(),  # type: ignore[no-untyped-call]
        ):
            yield DEVICE
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
        torch.__future__.set_swap_module_params_on_conversion(False)
