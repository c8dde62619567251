"""Peer 4: JAX, all trials as one program, `jit(vmap(scan))`, on the same batches.

The batch has no member axis, so the first layer is one product against all members' weights. Between two evaluations
the updates are one call. Products in bfloat16 cast their operands and add up in float32.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.sweeps import tracking
from benchmarks.sweeps.dataset import Part, load
from benchmarks.sweeps.measures import row
from benchmarks.sweeps.peer import Task, task
from benchmarks.sweeps.work import Work

Parameters = list[Any]  # weight and bias of every layer in turn
Moving = tuple[Parameters, Parameters]  # parameters, and their velocity: empty without momentum


def main() -> None:
    """The whole sweep; the runs are logged at the end, each with all its evaluations in one call."""
    given = task()
    if hasattr(os, "sched_setaffinity"):  # the only way to bound XLA's threads
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    import jax  # noqa: F401  (belongs to start-up)

    parts = load(given.work, given.start)
    if given.tracked:
        tracking.connect(given.work)
    given.report.started()
    histories = train(given, parts)
    if given.tracked:
        for value, history in zip(given.work.values, histories, strict=True):
            with tracking.run(given.work, value, given.report) as run_id, given.report.clock("logging"):
                tracking.log_history(run_id, history)
    given.report.write()


def forward(work: Work, parameters: Parameters, x: Any, product: str) -> Any:
    """Class scores `(B, K)` of one member."""
    import jax
    from jax import numpy as jnp

    known = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, "silu": jax.nn.silu}
    activation = known[work.activation]
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    strides = work.strides()
    for number, (weight, bias) in enumerate(layers):
        a, b = (x, weight) if product == "float32" else (x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16))
        if weight.ndim == 4:
            x = jax.lax.conv_general_dilated(a, b, (strides[number],) * 2, ((1, 1), (1, 1))).astype(jnp.float32)
            x = x + bias[:, None, None]
        else:
            x = jnp.matmul(a.reshape(len(a), -1), b.T, preferred_element_type=jnp.float32) + bias
        if number < len(layers) - 1:
            x = activation(x)
    return x


def _penalty(parameters: Parameters, l2: Any) -> Any:
    return l2 * sum((weight**2).sum() for weight in parameters[::2])


def updates(work: Work, product: str, full: bool) -> Callable[..., Any]:
    """`f((parameters, velocity), l2, rates (n,), features, labels, batches (n, B)) -> the first again` of one member.

    Args:
        full: whether every batch is; else places of -1 weigh nothing.
    """
    import jax
    from jax import numpy as jnp

    def cost(parameters: Parameters, l2: Any, x: Any, y: Any, present: Any) -> Any:
        scores = forward(work, parameters, x, product)
        losses = jax.nn.logsumexp(scores, -1) - jnp.take_along_axis(scores, y[:, None], 1)[:, 0]
        mean = losses.mean() if full else (losses * present).sum() / present.sum()
        return mean + _penalty(parameters, l2)

    def run(moving: Moving, l2: Any, rates: Any, features: Any, labels: Any, batches: Any) -> Moving:
        def step(moving: Moving, now: Any) -> Any:
            (parameters, velocity), (rate, batch) = moving, now
            moved = jax.grad(cost)(parameters, l2, features[batch], labels[batch], batch >= 0)
            if work.momentum:
                moved = velocity = jax.tree.map(lambda m, g: work.momentum * m + g, velocity, moved)
            return (jax.tree.map(lambda p, m: p - rate * m, parameters, moved), velocity), None

        return jax.lax.scan(step, moving, (rates, batches))[0]

    return run


def evaluation(work: Work, product: str) -> Callable[..., Any]:
    """`f(parameters, l2, features (C, B, ...), labels (C, B)) -> summed loss, confusion (K, K), penalty` of a member.

    Labels of -1 fill up the last chunk and count for nothing.
    """
    import jax
    from jax import numpy as jnp

    def run(parameters: Parameters, l2: Any, features: Any, labels: Any) -> Any:
        def chunk(total: Any, now: Any) -> Any:
            x, y = now
            scores = forward(work, parameters, x, product)
            truth = jax.nn.one_hot(y, work.classes)
            loss = -(truth * jax.nn.log_softmax(scores)).sum()
            confusion = truth.T @ jax.nn.one_hot(scores.argmax(-1), work.classes)
            return (total[0] + loss, total[1] + confusion), None

        nothing = (jnp.zeros(()), jnp.zeros((work.classes, work.classes)))
        loss, confusion = jax.lax.scan(chunk, nothing, (features, labels))[0]
        return loss, confusion, _penalty(parameters, l2)

    return run


def _chunks(part: Part, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Features `(C, B, ...)` and labels `(C, B)` in the fewest equal chunks of at most `size`."""
    count = -(-len(part.labels) // size)
    size = -(-len(part.labels) // count)
    missing = count * size - len(part.labels)
    features = np.concatenate([part.features, part.features[:missing]])
    labels = np.concatenate([part.labels, np.full(missing, -1)])
    return features.reshape(count, size, *features.shape[1:]), labels.reshape(count, size)


class _Programs:
    """Compiled programs, by name and shapes; compiling is timed apart."""

    def __init__(self, given: Task) -> None:
        self._report = given.report
        self._compiled: dict[Any, Any] = {}

    def __call__(self, name: str, function: Any, *arguments: Any) -> Any:
        import jax

        key = (name, tuple(leaf.shape for leaf in jax.tree.leaves(arguments)))
        if key not in self._compiled:
            with self._report.clock("compile"):
                self._compiled[key] = function.lower(*arguments).compile()
        return jax.block_until_ready(self._compiled[key](*arguments))


def train(given: Task, parts: tuple[Part, Part]) -> list[list[tuple[int, dict[str, float]]]]:
    """Train all trials; the history of each."""
    import jax
    from jax import numpy as jnp

    work, start, report = given.work, given.start, given.report
    began = time.perf_counter()
    members = len(work.values)
    batches = jnp.array(start.batches)
    stacked = jax.vmap(updates(work, given.precision, bool((start.batches >= 0).all())), (0, 0, 0, None, None, None))
    advance = jax.jit(stacked, donate_argnums=0)
    measure = jax.jit(jax.vmap(evaluation(work, given.precision), (0, 0, None, None)))
    parameters = [jnp.array(np.tile(p, (members, *[1] * p.ndim))) for p in start.parameters]
    velocity = [jnp.zeros_like(p) for p in parameters] if work.momentum else []
    l2 = jnp.array([work.l2(value) for value in work.values], jnp.float32)
    rates = jnp.array([work.rates(value, start.updates) for value in work.values], jnp.float32)
    features, labels = jnp.array(parts[0].features), jnp.array(parts[0].labels)
    chunked = [tuple(map(jnp.array, _chunks(part, 500 if work.channels else 5000))) for part in parts]
    programs, histories = _Programs(given), [[] for _ in work.values]
    done = 0
    for until in start.evaluations.tolist() if given.tracked else [start.updates]:
        if until > done:
            span = slice(done, until)
            arguments = ((parameters, velocity), l2, rates[:, span], features, labels, batches[span])
            (parameters, velocity), done = programs("advance", advance, *arguments), until
        if given.tracked:
            with report.clock("evaluating"):
                rows = _rows(work, [programs("measure", measure, parameters, l2, *chunks) for chunks in chunked], parts)
            for history, measured, rate in zip(histories, rows, rates[:, max(done, 1) - 1].tolist(), strict=True):
                history.append((done, {"lr": rate, **measured}))
    report.training = time.perf_counter() - began - report.compile
    return histories


def _rows(work: Work, measured: list[Any], parts: tuple[Part, Part]) -> list[dict[str, float]]:
    """The metrics of every member from what `evaluation` gave for both parts."""
    rows: list[dict[str, float]] = [{} for _ in work.values]
    for name, part, (loss, confusion, penalty) in zip(("train", "val"), parts, measured, strict=True):
        for m, filled in enumerate(rows):
            filled |= row(
                name, float(loss[m]) / len(part.labels), float(penalty[m]), np.asarray(confusion[m], np.float64)
            )
    return rows


if __name__ == "__main__":
    main()
