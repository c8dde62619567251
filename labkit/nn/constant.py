"""Numbers as tensors: torch takes half as long with a tensor of one number as with a Python number."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def constant(value: float, like: Tensor) -> Tensor:
    """Return `value` as a tensor of shape () with the dtype and device of `like`.

    All callers share the tensor, so none may write into it.
    """
    return _constant(value, like.dtype, like.device)


@cache
def _constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(value, dtype=dtype, device=device)
