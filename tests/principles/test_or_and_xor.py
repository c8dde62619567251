"""OR and XOR: the networks written down, what an error is, and a search that can find."""

from __future__ import annotations

import pytest
import torch

from labkit.principles import xor_search
from labkit.principles.or_xor import constructions, finding, measure
from labkit.principles.xor_search import OR, XOR, affine, two_layers, violation, wrong_corners


def test_the_networks_written_down_are_right_at_all_corners() -> None:
    made = {construction.name: construction for construction in constructions()}
    assert all(construction.right for construction in made.values())
    assert [c.hidden_units for c in made.values()] == [1, 0, 2]
    assert made["XOR: relu(x1 - x2) + relu(x2 - x1)"].values == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("values", "wanted", "error"),
    [((0, 1, 1, 2), OR, 0), ((0, 1, 1, 2), XOR, 2), ((0, 1, 3, 0), XOR, 0), ((0, 0.75, 1, -0.5), XOR, 0.5)],
)
def test_an_error_is_the_largest_deviation_from_the_definition(values: tuple, wanted: tuple, error: float) -> None:
    assert violation(torch.tensor([values]).float(), wanted).tolist() == [error]


def test_a_tie_is_no_classification() -> None:
    net = xor_search.network([{"linear": {"units": 2}}], (2,), "identity")
    assert wrong_corners(net, [torch.zeros(1, 2, 2), torch.zeros(1, 2)]).tolist() == [1.0]


def test_the_grid_search_finds_xor_where_it_can_be_found() -> None:
    """The same search over networks with two hidden units: the construction is on the grid, and is counted."""
    corner = [torch.tensor([value]) for value in (1.0, -1.0, -1.0, 1.0)]  # the hidden weights, held
    rest = [torch.tensor([0.0, 1.0])] * 5
    found = xor_search._grid("two", two_layers(2), [*corner, *rest])
    assert (found.tried, found.best) == (32, 0.0)
    assert found.found >= 1


def test_an_affine_network_is_wrong_by_at_least_a_half() -> None:
    axis = torch.arange(-2, 2.25, 0.25)
    assert xor_search._grid("w x + b", affine(), [axis] * 3).best == 0.5


def test_a_short_search_has_the_form_of_the_long_one() -> None:
    record = measure(seeds=6, updates=40)
    assert [search.how for search in record.searches] == ["grid"] * 3 + ["trained"] * 5
    result = finding(record)
    assert [claim.holds for claim in result.claims[:3]] == [True] * 3
    assert len(result.tables) == 2
