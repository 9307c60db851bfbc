"""Progress bars: they pass items through, say what was done and go to standard error."""

from __future__ import annotations

import pytest

pytest.importorskip("rich")

from attar.cli.progress import Bars


def test_items_pass_through_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        bars.say("reading [data]")
        assert list(bars.track(iter([1, 2, 3]), "working", 3)) == [1, 2, 3]
        assert list(bars.track([], "nothing")) == []
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading [data]" in captured.err


def test_an_error_inside_comes_out() -> None:
    with Bars() as bars, pytest.raises(ZeroDivisionError):
        _ = [1 / number for number in bars.track([1, 0], "dividing")]
