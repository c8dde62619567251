"""What a learning-rate range test suggests."""

from __future__ import annotations

import numpy as np


def suggest(lr: np.ndarray, loss: np.ndarray) -> tuple[float, float]:
    """The range for `schedule.lr_min` and `lr_max` (Smith 2015, 3.3): from where the loss starts to fall to its low.

    Args:
        lr: `(T,)` rates, rising.
        loss: `(T,)` batch losses, smoothed here over a twentieth of the run; a tail that is not finite is left out.

    Returns:
        The rate at which a tenth of the whole fall is behind, and the rate of the lowest smoothed loss.
    """
    finite = np.isfinite(loss)
    end = len(loss) if finite.all() else int(np.argmin(finite))
    if end < 2:
        return float(lr[0]), float(lr[0])
    width = max(1, end // 20)
    kernel = np.ones(width)
    smooth = np.convolve(loss[:end], kernel, "same") / np.convolve(np.ones(end), kernel, "same")
    low = int(np.argmin(smooth))
    start = smooth[: max(1, width)].mean()
    fallen = np.nonzero(smooth[: low + 1] <= start - 0.1 * (start - smooth[low]))[0]
    return float(lr[fallen[0] if len(fallen) else 0]), float(lr[low])
