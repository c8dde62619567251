"""What every layer promises, over the table of layers: torch's values, autograd's gradients, members on their own.

It also covers activation.py, constant.py, convolution.py, dropout.py, embedding.py, flatten.py, layer.py, linear.py,
normalisation.py and recurrent.py.
"""

from __future__ import annotations

import pytest
import torch

from tests.nn.layer_cases import CASES, Call, Case, call

BATCHES = [
    pytest.param(1, True, id="one member"),
    pytest.param(3, True, id="three on one batch"),
    pytest.param(3, False, id="three batches"),
]
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
REFERENCED = {name: case for name, case in CASES.items() if case.reference}  # dropout's draws have none
every_referenced_case = pytest.mark.parametrize("case", REFERENCED.values(), ids=list(REFERENCED))
every_batch = pytest.mark.parametrize(("members", "shared"), BATCHES)


def leading(case: Case, members: int, shared: bool) -> int:
    """The size of the member axis of the output: 1 as long as nothing has told the members apart."""
    return members if case.members_only or not shared else 1


def upstream(made: Call) -> tuple[torch.Tensor, bool]:
    """A gradient for the output, and whether the one of the input is defined: ids and shared batches have none."""
    y, _ = made.forward()
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(5), dtype=y.dtype)
    return dy, not made.case.ids and len(made.x) == len(y)


def assert_near(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@every_case
@every_batch
@pytest.mark.parametrize("size", [1, 5])
def test_output_has_the_declared_shape(case: Case, members: int, shared: bool, size: int) -> None:
    y, _ = call(case, members, shared, size).forward()
    assert y.shape == (leading(case, members, shared), size, *case.layer.output_shape(case.shape))
    assert y.dtype == torch.float64


@every_referenced_case
@every_batch
def test_output_is_torchs(case: Case, members: int, shared: bool) -> None:
    assert case.reference is not None
    made = call(case, members, shared)
    y, _ = made.forward()
    for m in range(len(y)):
        group = m if len(made.x) > 1 else 0
        lengths = made.context.lengths
        assert lengths is not None
        expected = case.reference(made.x[group], [p[m] for p in made.parameters], lengths[group])
        assert_near(y[m], expected, 1e-10)


@every_case
@every_batch
@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_backward_is_the_gradient_of_forward(case: Case, members: int, shared: bool, size: int, training: bool) -> None:
    made = call(case, members, shared, size, training=training)
    dy, need_dx = upstream(made)
    if not need_dx and not made.parameters:
        return
    found, dx = made.gradients(dy, need_dx)
    expected, dx_expected = made.autograd(dy, need_dx)
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other, 1e-10)
    if need_dx:
        assert dx is not None
        assert dx_expected is not None
        assert_near(dx, dx_expected, 1e-10)


@every_case
def test_backward_leaves_out_the_input_where_nobody_asks(case: Case) -> None:
    made = call(case, 3)
    dy, _ = upstream(made)
    with_dx, _ = made.gradients(dy, need_dx=not case.ids)
    without, dx = made.gradients(dy, need_dx=False)
    assert dx is None
    for one, other in zip(with_dx, without, strict=True):
        assert torch.equal(one, other)


@every_case
@pytest.mark.parametrize("value", [3.7, torch.nan], ids=["another number", "NaN"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_members_do_not_see_each_other(case: Case, value: float, dtype: torch.dtype) -> None:
    def everything(made: Call) -> list[torch.Tensor]:
        dy, need_dx = upstream(made)
        gradients, dx = made.gradients(dy, need_dx)
        return [made.forward()[0], *gradients, *([] if dx is None else [dx])]

    before = everything(call(case, 3, dtype=dtype))
    made = call(case, 3, dtype=dtype)
    made.x[1] = 2 if case.ids else value
    for tensor in (*made.parameters, *made.buffers):
        tensor[1] = value
    for now, then in zip(everything(made), before, strict=True):
        assert torch.equal(now[::2], then[::2])


@every_referenced_case
@every_batch
def test_float32_is_float64_rounded(case: Case, members: int, shared: bool) -> None:
    exact, single = (call(case, members, shared, dtype=dtype) for dtype in (torch.float64, torch.float32))
    y, _ = single.forward()
    assert y.dtype == torch.float32
    assert_near(y.double(), exact.forward()[0], 1e-5)
    dy, need_dx = upstream(exact)
    for one, other in zip(single.gradients(dy.float(), need_dx)[0], exact.gradients(dy, need_dx)[0], strict=True):
        assert one.dtype == torch.float32
        assert_near(one.double(), other, 1e-4)


@pytest.mark.parametrize("name", ["linear", "conv1d stride padding", "conv2d stride padding", "rnn"])
@every_batch
def test_bfloat16_products_are_near_float32(name: str, members: int, shared: bool) -> None:
    full = call(CASES[name], members, shared, dtype=torch.float32)
    low = call(CASES[name], members, shared, dtype=torch.float32, product=torch.bfloat16)
    for tensor in (*full.parameters, *low.parameters):
        tensor *= 0.5  # a recurrent cell with larger weights lets rounding grow from step to step
    y, expected = low.forward()[0], full.forward()[0]
    assert y.dtype == torch.float32
    assert not torch.equal(y, expected)
    assert (y - expected).norm() <= 2e-2 * expected.norm()
    dy, need_dx = upstream(full)
    found, dx = low.gradients(dy, need_dx)
    exact, dx_exact = full.gradients(dy, need_dx)
    pairs = [*zip(found, exact, strict=True), *([] if dx is None or dx_exact is None else [(dx, dx_exact)])]
    for one, other in pairs:
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 2e-2 * other.norm()
