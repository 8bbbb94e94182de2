from __future__ import annotations

import pytest

from facecli.runtime.peak import precisions, product_peak


@pytest.mark.parametrize("engine", ["openvino:cpu", "torch:cpu"])
def test_a_processor_multiplies_at_a_rate_that_one_can_have(engine: str) -> None:
    assert "f32" in precisions(engine)
    # A core of the year 2000 gave a gigaflop, and no processor gives a thousand teraflops.
    assert 1e8 < product_peak(engine, "f32", seconds=0.05) < 1e15


def test_short_numbers_are_offered_where_the_processor_has_them() -> None:
    offered = precisions("openvino:cpu")
    if "bf16" not in offered:
        assert offered == ("f32",)
        return
    assert product_peak("openvino:cpu", "bf16", seconds=0.05) > 1e8
