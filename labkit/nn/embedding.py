"""A layer that turns token ids into vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labkit.config import ConfigError
from labkit.nn.layer import Context, Parameter, Saved, Shape, Tensors, WeightLayer


@dataclass(frozen=True)
class Embedding(WeightLayer):
    """A table with a row per token: ids of shape (length,) become vectors of shape (length, size).

    Id 0 is padding; the layers behind never use its row.

    Attributes:
        tokens: Number of rows of the table.
        size: Length of a vector.
    """

    tokens: int
    size: int

    def output_shape(self, shape: Shape) -> Shape:
        """Return (length, size) for texts (length,); raise ConfigError for samples of another shape."""
        if len(shape) != 1:
            raise ConfigError(f"model: embedding needs texts of shape (length,), got {shape}.")
        return (*shape, self.size)

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return a weight (tokens, size)."""
        return {"weight": Parameter((self.tokens, self.size), "weight", fan_in=self.tokens, fan_out=self.size)}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the vectors, shape (M, B, length, size), of the ids, shape (G, B, length), and the rows read."""
        table = parameters[0]  # (M, tokens, size)
        rows = x.long()
        if table.shape[0] > 1:  # each member reads its own block of the stacked tables
            first = torch.arange(table.shape[0], device=x.device) * self.tokens
            rows = rows + first.view(-1, 1, 1)
        return functional.embedding(rows, table.flatten(0, 1)), rows

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Add the gradient of every use of a row, `dy` of shape (M, B, length, size), to that row; ids have none."""
        rows: Tensor = saved
        gradients[0].zero_().view(-1, self.size).index_add_(0, rows.flatten(), dy.reshape(-1, self.size))
        return None
