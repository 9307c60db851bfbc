"""Which arithmetic this processor is quick at."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def native_bf16() -> bool:
    """True where bfloat16 arithmetic is in hardware; elsewhere emulation is slower than
    float32. A fact about the processor, so the same machine always computes the same way."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def mixed_precision(wanted: bool = True) -> AbstractContextManager[None]:
    """Matrix products in bfloat16 where that is native and wanted; float32 elsewhere."""
    context: AbstractContextManager[None] = torch.autocast(
        "cpu", torch.bfloat16, enabled=wanted and native_bf16()
    )
    return context
