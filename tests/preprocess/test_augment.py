"""Augmentation against a loop over images in numpy, and what a member may and may not see of its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from labkit.preprocess import augment as module
from labkit.preprocess.augment import augment


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def strengths(*members: tuple[float, int, float]) -> tuple[Tensor, Tensor, Tensor]:
    mirror, shift, noise = zip(*members, strict=True)
    return torch.tensor(mirror), torch.tensor(shift), torch.tensor(noise)


def images(groups: int = 1, size: int = 6, height: int = 7, width: int = 5) -> Tensor:
    return torch.randn(groups, size, 3, height, width, generator=torch.Generator().manual_seed(9))


def shifted(image: np.ndarray, ty: int, tx: int) -> np.ndarray:
    """Pixel by pixel: `out[h + ty, w + tx] = image[h, w]` where that lies inside, else 0."""
    out = np.zeros_like(image)
    _, height, width = image.shape
    for h in range(height):
        for w in range(width):
            if 0 <= h + ty < height and 0 <= w + tx < width:
                out[:, h + ty, w + tx] = image[:, h, w]
    return out


def uniform_for(offset: int, reach: int) -> float:
    """The middle of the interval of [0, 1) that stands for this offset."""
    return (offset + reach + 0.5) / (2 * reach + 1)


@pytest.mark.parametrize("tx", range(-3, 4))
@pytest.mark.parametrize("ty", range(-3, 4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_shift_against_a_loop(ty: int, tx: int, mirrored: bool) -> None:
    batch = images()
    size = batch.shape[1]
    # every image gets (ty, tx) but the first, which stays where it is: shifts are per image
    uniforms = torch.tensor([0.5, uniform_for(ty, 3), uniform_for(tx, 3)]).view(1, 3, 1).repeat(1, 1, size)
    uniforms[0, 1:, 0] = uniform_for(0, 3)
    moved = module._move(batch, uniforms, torch.tensor([float(mirrored)]), torch.tensor([3]), 3)
    for index, image in enumerate(batch[0].numpy()):
        source = image[:, :, ::-1] if mirrored else image
        expected = shifted(source, ty, tx) if index else source
        np.testing.assert_array_equal(moved[0, index].numpy(), expected)


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_shifts_are_even_over_their_range_and_never_beyond(reach: int) -> None:
    """A single bright pixel in the middle tells where its image went."""
    batch = torch.zeros(1, 20_000, 1, 9, 9)
    batch[:, :, :, 4, 4] = 1
    moved = augment(batch, *strengths((0, reach, 0)), seeded(0), torch.tensor([0]))
    assert torch.equal(moved.sum((2, 3, 4)), torch.ones(1, 20_000))
    places = moved[0, :, 0].flatten(1).argmax(1)
    for offset in (places // 9 - 4, places % 9 - 4):
        counts = torch.bincount(offset + reach, minlength=2 * reach + 1)
        assert len(counts) == 2 * reach + 1
        expected = 20_000 / (2 * reach + 1)
        assert ((counts - expected).abs() < 5 * expected**0.5).all()


def test_the_largest_uniform_stays_in_range() -> None:
    below_one = float(np.nextafter(np.float32(1), np.float32(0)))
    batch = images(size=1, height=64, width=64)
    for reach in range(1, 40):
        moved = module._move(batch, torch.full((1, 3, 1), below_one), torch.zeros(1), torch.tensor([reach]), reach)
        np.testing.assert_array_equal(moved[0, 0].numpy(), shifted(batch[0, 0].numpy(), reach, reach))


def test_mirror_never_always_and_sometimes() -> None:
    batch = images(size=4000, height=2, width=3)
    never = augment(batch, *strengths((0, 0, 0)), seeded(0), torch.tensor([0]))
    always = augment(batch, *strengths((1, 0, 0)), seeded(0), torch.tensor([0]))
    assert torch.equal(never, batch)
    assert torch.equal(always, batch.flip(-1))
    half = augment(batch, *strengths((0.5, 0, 0)), seeded(0), torch.tensor([0]))
    flipped = (half == batch.flip(-1)).flatten(2).all(2)
    assert (flipped | (half == batch).flatten(2).all(2)).all()
    assert 1850 < int(flipped.sum()) < 2150


def test_noise_has_its_standard_deviation_and_works_on_vectors() -> None:
    batch = torch.zeros(1, 500, 40, dtype=torch.float64)
    noisy = augment(batch, *strengths((0, 0, 0.3)), seeded(0), torch.tensor([0]))
    assert noisy.shape == batch.shape
    assert noisy.dtype == torch.float64
    assert abs(float(noisy.std()) - 0.3) < 0.01
    assert abs(float(noisy.mean())) < 0.01
    assert not batch.any()


def test_equal_seeds_give_equal_batches_and_consecutive_batches_differ() -> None:
    keys = strengths((0.5, 2, 0.1))
    one, other = seeded(3), seeded(3)
    first, again = (augment(images(), *keys, g, torch.tensor([0])) for g in (one, other))
    second, second_again = (augment(images(), *keys, g, torch.tensor([0])) for g in (one, other))
    assert torch.equal(first, again)
    assert torch.equal(second, second_again)
    assert not torch.equal(first, second)


MEMBERS = [(0.5, 2, 0.0), (0.0, 0, 0.0), (1.0, 3, 0.2), (0.5, 2, 0.4), (0.5, 2, 0.0)]
SEEDS = (11, 12, 11, 11, 11)


@pytest.mark.parametrize("own_batches", [False, True])
def test_a_member_sees_what_it_would_see_alone(own_batches: bool) -> None:
    """Over three batches: draws used up by a neighbour of the same seed must not shift one's own."""
    batch = images(len(MEMBERS) if own_batches else 1)
    distinct = sorted(set(SEEDS))
    generators, stream = seeded(*distinct), torch.tensor([distinct.index(seed) for seed in SEEDS])
    together = [augment(batch, *strengths(*MEMBERS), generators, stream) for _ in range(3)]
    for member, (keys, seed) in enumerate(zip(MEMBERS, SEEDS, strict=True)):
        own = batch[[member]] if own_batches else batch
        alone_generator = seeded(seed)
        for group in together:
            alone = augment(own, *strengths(keys), alone_generator, torch.tensor([0]))
            assert group.shape[0] == len(MEMBERS)
            assert torch.equal(group[member], alone[0])


def test_members_that_share_everything_share_one_batch() -> None:
    keys = strengths(*[(0.5, 2, 0.1)] * 3)
    shared = augment(images(), *keys, seeded(1), torch.tensor([0, 0, 0]))
    assert shared.shape[0] == 1
    assert augment(images(), *keys, seeded(1, 2), torch.tensor([0, 0, 1])).shape[0] == 3
    assert augment(images(3), *keys, seeded(1), torch.tensor([0, 0, 0])).shape[0] == 3
    off = strengths(*[(0.0, 0, 0.0)] * 3)
    assert augment(images(), *off, seeded(1), torch.tensor([0, 0, 0])).shape[0] == 1


def test_the_batch_itself_is_left_alone() -> None:
    batch = images()
    before = batch.clone()
    augment(batch, *strengths((0.5, 2, 0.1)), seeded(0), torch.tensor([0]))
    assert torch.equal(batch, before)


def test_a_diverged_image_keeps_its_nan_to_itself() -> None:
    batch = images()
    batch[0, 2] = torch.nan
    moved = augment(batch, *strengths((0.5, 2, 0.1)), seeded(0), torch.tensor([0]))
    assert not moved[0, [0, 1, 3, 4, 5]].isnan().any()
    assert moved[0, 2].isnan().any()
