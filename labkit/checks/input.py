"""The input of a network as a parameter, so that its own backward pass also yields the gradient with respect to x."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from labkit.nn.layer import Context, Layer, Parameter, Saved, Shape, Tensors


@dataclass(frozen=True)
class Input(Layer):
    """The layer `y = x + p` with a p for every sample of the batch.

    A network stops its backward pass at the first layer with parameters; behind this one it goes through to the input.

    Attributes:
        batch: Number of samples in the batch.
    """

    batch: int

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one sample, which stays as it is."""
        return shape

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Declare one parameter, `x`, of shape (batch, *shape)."""
        return {"x": Parameter((self.batch, *shape), "bias")}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return `x + p`, shape (M, batch, *shape).

        Args:
            x: Batch of inputs, shape (G, batch, *shape); G is 1 where all members read the same batch, else M.
            parameters: The parameter p alone, shape (M, batch, *shape).
            buffers: Unused, there are none.
            context: Unused.
        """
        return x + parameters[0], None

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Write the gradient in p, which is dy, and return it as the gradient in x where that is asked for.

        Args:
            dy: Gradient in the output, shape (M, batch, *shape).
            saved: Unused.
            parameters: Unused.
            gradients: Place of the gradient in p, shape (M, batch, *shape).
            need_dx: True where the gradient in x is asked for.
        """
        gradients[0].copy_(dy)
        return dy if need_dx else None
