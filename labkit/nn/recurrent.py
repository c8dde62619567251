"""A tanh recurrent cell run over a sequence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.config import ConfigError
from labkit.nn.activation import ACTIVATIONS
from labkit.nn.layer import Context, Parameter, Saved, Shape, Tensors, WeightLayer


@dataclass(frozen=True)
class Recurrent(WeightLayer):
    """The recurrence `h_t = tanh(W x_t + b + V h_{t-1} + c)` from `h_0 = 0`; the output is the last state.

    Samples (length, features) become vectors (units,). The four parameters are those of torch.nn.RNNCell. Steps beyond
    a sample's length leave its state as it is, so padding changes nothing.

    Attributes:
        units: Length of the state h.
    """

    units: int

    @property
    def kind(self) -> str:
        return "rnn"

    def output_shape(self, shape: Shape) -> Shape:
        """Return (units,) for sequences (length, features); raise ConfigError for samples of another shape."""
        if len(shape) != 2:
            raise ConfigError(f"model: rnn needs sequences of shape (length, features), got {shape}.")
        return (self.units,)

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return W (units, features), V (units, units), and the biases b and c (units,)."""
        return {
            "weight_input": Parameter((self.units, shape[1]), "weight", fan_in=shape[1], fan_out=self.units),
            "weight_hidden": Parameter((self.units, self.units), "weight", fan_in=self.units, fan_out=self.units),
            "bias_input": Parameter((self.units,), "bias"),
            "bias_hidden": Parameter((self.units,), "bias"),
        }

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the last states, shape (M, B, units), for inputs of shape (G, B, length, features)."""
        w, v, b, c = parameters
        members, steps = w.shape[0], x.shape[2]
        x = x.expand(members, -1, -1, -1)
        low = context.product or w.dtype
        bias = (b + c).unsqueeze(1)
        # The inputs' share of every step is one large product; only `V h` has to wait for the step before.
        from_input = torch.einsum("mbtf,muf->mtbu", x.to(low), w.to(low)).to(w.dtype)
        h = x.new_zeros(members, x.shape[1], self.units)
        states, active = [h], self._active(x, context)
        for t in range(steps):
            product = torch.bmm(h.to(low), v.to(low).transpose(1, 2)).to(w.dtype)
            new, _ = ACTIVATIONS["tanh"].forward(from_input[:, t] + bias + product)
            h = torch.where(active[t], new, h)
            states.append(h)
        return h, (x, states, active, low)

    @staticmethod
    def _active(x: Tensor, context: Context) -> list[Tensor]:
        """Return a mask per step, shape (G, B, 1), of the samples that have not ended; (1, 1, 1) without lengths."""
        steps = torch.arange(x.shape[2], device=x.device)
        if context.lengths is None:
            return list(x.new_ones(x.shape[2], 1, 1, 1, dtype=torch.bool))
        return list((context.lengths.unsqueeze(0) > steps.view(-1, 1, 1)).unsqueeze(3))

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return the input's gradient, shape (M, B, length, features), by backpropagation through time.

        At active steps `da = dh (1 - h^2)`, a the argument of tanh; at the others `dh` passes unchanged.
        """
        x, states, active, low = saved
        w, v = parameters[0].to(low), parameters[1].to(low)
        das, dh = [], dy
        dv = torch.zeros_like(gradients[1])
        for t in range(len(active) - 1, -1, -1):
            h = states[t + 1]
            da = torch.where(active[t], ACTIVATIONS["tanh"].backward(dh, h), 0)
            dv += torch.bmm(da.to(low).transpose(1, 2), states[t].to(low)).to(dv.dtype)
            dh = torch.where(active[t], torch.bmm(da.to(low), v).to(dh.dtype), dh)
            das.append(da)
        da_all = torch.stack(das[::-1], 2)  # (M, B, steps, units)
        gradients[0].copy_(torch.einsum("mbtu,mbtf->muf", da_all.to(low), x.to(low)))
        gradients[1].copy_(dv)
        torch.sum(da_all, (1, 2), out=gradients[2])
        # b and c only ever occur as their sum, so their gradients are equal.
        gradients[3].copy_(gradients[2])
        return torch.einsum("mbtu,muf->mbtf", da_all.to(low), w).to(dy.dtype) if need_dx else None
