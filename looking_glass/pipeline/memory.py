"""How much memory there is, set against what a stage will need, before any of it is taken.

A system that runs out of memory most often ends the process without a word: no exception, no line.
What is needed follows from the parameters, so it can be told beforehand. A room reckons it as
*moments*, each with its *parts*: what is held at the same time, in bytes. The largest one counts.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import torch

from looking_glass.pipeline.errors import InputError

Parts = dict[str, int]  # bytes, by what holds them
FLOAT, INTEGER = 4, 8  # bytes of a float32 and of an int64
# What PyTorch loads when its parts are first used, and what they take for themselves: measured with
# models of next to no size.
PYTORCH = 20_000_000
# Its compiler, which comes with the first optimizer.
COMPILER = 70_000_000
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Files of a limit, of what counts against it, and what of that is given back when asked for: cached
# pages of files. By version of Linux's control groups.
_V2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))
_V1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_active_file", "total_inactive_file"),
)


# glibc gives a larger piece back to the system when it is freed, and keeps a smaller one.
GIVEN_BACK = 2**25
_ARENAS, _GIVEN_BACK, _TRIMMED = -8, -3, -1  # options of mallopt, by glibc's malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep what is freed in one place, for the next tensor of any thread.

    Left to itself it gives freed memory back whenever much of it lies at an end, and the next
    tensor gets it from the system once more, page by page: a tenth of the time of what works on
    many middle-sized tensors. Other C libraries are left alone.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for option, value in ((_ARENAS, 1), (_GIVEN_BACK, GIVEN_BACK), (_TRIMMED, 2**31 - 1)):
            library.mallopt(option, value)


def kept_when_freed(piece: int) -> int:
    """Return what a piece of memory of so many bytes goes on taking once it is freed."""
    return piece if piece < GIVEN_BACK else 0


def largest(moments: Mapping[str, Parts]) -> str:
    """Return the name of the moment that holds most."""
    return max(moments, key=lambda name: sum(moments[name].values()))


def needed(moments: Mapping[str, Parts]) -> int:
    """Return the bytes that the largest moment holds."""
    return sum(moments[largest(moments)].values())


def require(
    moments: Mapping[str, Parts],
    device: torch.device,
    *,
    stage: str,
    keys: Mapping[str, Sequence[str]],
) -> None:
    """Raise `InputError` when the largest of `moments` holds more than is available on `device`.

    The line names what takes most of it, and of `keys`, by part, those to lower.
    """
    there, wanted = available(device), needed(moments)
    if wanted <= there:
        return
    moment = largest(moments)
    parts = sorted(moments[moment].items(), key=lambda part: -part[1])[:3]
    told = [f"{name} {told_bytes(n)}" for name, n in parts]
    lower = dict.fromkeys(key for name, _ in parts for key in keys.get(name, ()))
    raise InputError(
        f"{stage}: {told_bytes(wanted)} of memory will be needed on {device.type} for {moment} "
        f"({', '.join(told)}), {told_bytes(there)} are available: lower {', '.join(lower)}, or "
        "take a larger machine"
    )


def told_bytes(n: int) -> str:
    """Return a number of bytes as a person reads it: 1.5 GB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if n >= size:
            return f"{n / size:,.1f} {unit}"
    return f"{n:,} bytes"


def available(device: torch.device) -> int:
    """Return the bytes that this process can still take on `device`.

    On a GPU those that are free on it; else those of the machine, and no more than a container's
    limit leaves.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min([int(psutil.virtual_memory().available), *_left_by_cgroups()])


def _left_by_cgroups(root: Path = CGROUPS, own: Path = OWN_CGROUPS) -> Iterator[int]:
    """Yield what each control group that this process is in leaves of its limit, in bytes."""
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, files = root, _V2
        elif "memory" in controllers.split(","):
            top, files = root / "memory", _V1
        else:
            continue
        # A container sees its own group as the root, but may be told the path on its host.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            yield from _left(folder, *files)


def _left(folder: Path, limit: str, usage: str, cached: tuple[str, ...]) -> Iterator[int]:
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        stat = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        given_back = sum(int(size) for name, size in stat if name in cached)
    except (OSError, ValueError):  # no such group here, or nothing that can be read
        return
    if most != "max":
        yield max(0, int(most) - used + given_back)
