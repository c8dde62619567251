"""The learning rates that a range test suggests."""

from __future__ import annotations

import numpy as np


def suggest(lr: np.ndarray, loss: np.ndarray) -> tuple[float, float]:
    """Return a range for `schedule.lr_min` and `schedule.lr_max` (Smith 2015, section 3.3).

    Args:
        lr: Rates of the test's updates, rising, shape (T,).
        loss: Batch losses in nats, shape (T,); everything from the first one that is not finite on is left out.

    Returns:
        The rate at which a tenth of the loss's whole fall is done, and the rate of the lowest loss; the losses are
        first averaged over a twentieth of the run.
    """
    finite = np.isfinite(loss)
    end = len(loss) if finite.all() else int(np.argmin(finite))
    if end < 2:
        return float(lr[0]), float(lr[0])
    width = max(1, end // 20)
    kernel = np.ones(width)
    # Divided by the number of losses under the kernel, which is smaller at both ends of the curve.
    smooth = np.convolve(loss[:end], kernel, "same") / np.convolve(np.ones(end), kernel, "same")
    low = int(np.argmin(smooth))
    start = smooth[: max(1, width)].mean()
    fallen = np.nonzero(smooth[: low + 1] <= start - 0.1 * (start - smooth[low]))[0]
    return float(lr[fallen[0] if len(fallen) else 0]), float(lr[low])
