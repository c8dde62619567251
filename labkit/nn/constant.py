"""Numbers as tensors: torch takes a tensor of one number in half the time it takes a Python number."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def constant(value: float, like: Tensor) -> Tensor:
    """`value` as a tensor `()` of the dtype and on the device of `like`; made once, never changed."""
    return _constant(value, like.dtype, like.device)


@cache
def _constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)
