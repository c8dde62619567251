#!/usr/bin/env bash
# torch 2.13.0, CPU, one thread: choosing between two numbers by a mask of bools.
#
# torch.where looks like one pass over memory. On random signs it takes several times as long as writing the comparison
# into a tensor of floats (torch.gt with out=, 1 and 0) and computing with that, three passes: the mask of bools is what
# costs, already in a product with it. Who writes an activation's backward pass from such operations pays for it
# without a warning. Seen: 6 to 12 times for where, 2 to 4 for the product.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import time

import torch

print("torch", torch.__version__)
torch.set_num_threads(1)
torch.manual_seed(0)
y, dy, zero = torch.randn(500_000), torch.randn(500_000), torch.tensor(0.0)
slope = torch.empty_like(y)


def shortest(function):
    times = []
    for _ in range(15):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def by_numbers():
    return torch.gt(y, zero, out=slope).clamp_(min=0.1).mul_(dy)


def by_where():
    return torch.where(y > 0, dy, 0.1 * dy)


def by_bools():
    return (y > 0) * dy


assert torch.equal(by_numbers(), by_where())
numbers, where, bools = map(shortest, (by_numbers, by_where, by_bools))
print(f"where {where / numbers:.1f} and a product with bools {bools / numbers:.1f} times as long as with numbers")
assert where > 2 * numbers
assert bools > 1.2 * numbers
PYTHON
