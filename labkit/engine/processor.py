"""The processor as far as it decides which execution is fast."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "bf16", "sve", "asimd")
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")


@cache
def processor() -> str:
    """Return the processor's name with what decides its speed: the instructions that torch and oneDNN may use."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", facts.get("Features", "")).split()  # ARM has the second
    known = [flag for flag in _FLAGS if flag in flags]
    parts = [f"{name}={facts[name]}" for name in ("CPU implementer", "CPU part") if name in facts]
    limits = [f"{name}={os.environ[name]}" for name in _LIMITS if os.environ.get(name)]
    return " ".join([facts.get("model name") or platform.processor() or platform.machine(), *parts, *known, *limits])
