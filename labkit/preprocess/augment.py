"""Augmentation of a training batch on the fly: mirror, shift and noise, each member from its own stream of draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def augment(
    batch: Tensor,
    mirror: Tensor,
    shift: Tensor,
    noise: Tensor,
    generators: Sequence[torch.Generator],
    stream: Tensor,
) -> Tensor:
    """Return mirrored, shifted and noisy copies of a batch, for every member of a population.

    An image is mirrored left to right with probability `mirror`, then moved by `(ty, tx)`, each drawn evenly from the
    whole numbers `-shift .. shift` (down and right are positive). Vacated pixels become 0: the mean of the training
    part after normalisation, black after scaling alone. Last, `noise` times a standard normal draw is added.

    Every generator gives the same number of draws whatever the strengths, so members with equal seeds see equal draws,
    no matter which others train beside them and how strong their augmentation is.

    Args:
        batch: Batch of inputs, shape (G, B, channels, height, width), or (G, B, ...) when only noise is asked for; G is
            1 when all members share the batch, else the number of members M.
        mirror: Probability of a mirrored image, shape (M,).
        shift: Largest shift in pixels, less than height and width, shape (M,), int64.
        noise: Standard deviation of the noise in units of the features, shape (M,).
        generators: One generator per distinct seed.
        stream: Position in `generators` of each member's own, shape (M,), int64.

    Returns:
        New inputs, shape (1, B, ...) when all members share batch, stream and strengths, else (M, B, ...); `batch` is
        not changed.
    """
    uniforms, noise_seeds = _draw(generators, batch.shape[1], batch.device)
    # Lists, because a handful of numbers is compared faster in Python than in as many tensor operations.
    mirrors, shifts, noises, streams = mirror.tolist(), shift.tolist(), noise.tolist(), stream.tolist()
    if batch.shape[0] == 1 and len(set(zip(mirrors, shifts, noises, streams, strict=True))) == 1:
        mirror, shift, noise, stream = mirror[:1], shift[:1], noise[:1], stream[:1]
    if any(mirrors) or any(shifts):
        batch = _move(batch, uniforms[stream], mirror, shift, max(shifts))
    if any(noises):
        normals = _normals(noise_seeds, generators, batch)
        batch = batch + noise.to(batch.dtype).view(-1, *[1] * (batch.ndim - 1)) * normals[stream]
    return batch if len(batch) == len(stream) else batch.expand(len(stream), *batch.shape[1:])


def _draw(generators: Sequence[torch.Generator], size: int, device: torch.device) -> tuple[Tensor, list[int]]:
    """Return uniforms for mirror, ty and tx, shape (S, 3, size), and a seed for the noise of each of S generators.

    The noise has a generator of its own, seeded here: normals cost much time and are drawn only if a member wants them.
    """
    uniforms = [torch.rand((3, size), generator=g, device=g.device, dtype=torch.float32) for g in generators]
    seeds = [int(torch.randint(1 << 62, (1,), generator=g, device=g.device)) for g in generators]
    return torch.stack(uniforms).to(device), seeds


def _normals(seeds: list[int], generators: Sequence[torch.Generator], batch: Tensor) -> Tensor:
    """Return standard normal draws for one batch (G, B, ...), shape (S, B, ...), one row per seed."""
    drawn = [
        torch.randn(
            batch.shape[1:],
            generator=torch.Generator(g.device).manual_seed(seed),
            device=g.device,
            dtype=batch.dtype,
        )
        for seed, g in zip(seeds, generators, strict=True)
    ]
    return torch.stack(drawn).to(batch.device)


def _move(batch: Tensor, uniforms: Tensor, mirror: Tensor, shift: Tensor, most: int) -> Tensor:
    """Return mirrored, then shifted images, shape (M, B, C, H, W).

    Args:
        batch: Images, shape (G, B, C, H, W).
        uniforms: Draws in [0, 1) for mirror, ty and tx, shape (M, 3, B).
        mirror: Probability of a mirrored image, shape (M,).
        shift: Largest shift in pixels, shape (M,).
        most: Largest of all shifts.

    Mirroring and moving right is moving left and mirroring, so images are moved first and those to be mirrored turned
    round in their new place: no second copy of the batch is needed.
    """
    mirrored = uniforms[:, 0] < mirror[:, None]  # (M, B)
    reach = (2 * shift + 1)[:, None]
    # Rounding may lift a product just below 2 shift + 1 to that number itself, hence the minimum.
    down, right = (torch.minimum((u * reach).long(), reach - 1) - shift[:, None] for u in uniforms[:, 1:].unbind(1))
    out = _shift(batch, down, torch.where(mirrored, -right, right), most)
    images = out.flatten(0, 1)
    turned = mirrored.flatten().nonzero().flatten()
    images.index_copy_(0, turned, images.index_select(0, turned).flip(-1))
    return out


def _shift(batch: Tensor, down: Tensor, right: Tensor, most: int) -> Tensor:
    """Return images (G, B, C, H, W) moved by `down` and `right` pixels, each of shape (M, B): shape (M, B, C, H, W).

    Both shifts lie between `-most` and `most`.
    The images are padded with zeros on all sides and laid out as one row of numbers. In it, moving an image is choosing
    where it begins: row h of an output image is the W numbers from `start + h (W + 2 most)` on, so one `index_select`
    over all such stretches copies whole rows.
    """
    groups, size, channels, height, width = batch.shape
    stride = width + 2 * most
    area = (height + 2 * most) * stride
    padded = functional.pad(batch, (most, most, most, most)).flatten()
    start = (most - down) * stride + most - right
    images = torch.arange(groups * size * channels, device=batch.device).view(groups, size, channels, 1) * area
    rows = images + torch.arange(height, device=batch.device) * stride + start[:, :, None, None]  # (M, B, C, H)
    stretches = padded.unfold(0, width, 1)  # a view: stretch i is the W numbers from i on
    return stretches.index_select(0, rows.flatten()).view(*rows.shape, width)
