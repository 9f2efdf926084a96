"""What a text is billed as, by table."""

import pytest

from tocsin.catcher.segments import Segmented, count_segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segmented("GSM-7", 0, 1)),
        ("x" * 160, Segmented("GSM-7", 160, 1)),
        ("x" * 161, Segmented("GSM-7", 161, 2)),
        ("x" * 306, Segmented("GSM-7", 306, 2)),
        ("x" * 307, Segmented("GSM-7", 307, 3)),
        ("€" * 80, Segmented("GSM-7", 160, 1)),
        ("€" * 81, Segmented("GSM-7", 162, 2)),
        ("x" * 152 + "€" * 77, Segmented("GSM-7", 306, 3)),  # an escape and its septet stay together
        ("äöüß¿", Segmented("GSM-7", 5, 1)),
        ("ç", Segmented("UCS-2", 1, 1)),
        ("ć" * 70, Segmented("UCS-2", 70, 1)),
        ("ć" * 71, Segmented("UCS-2", 71, 2)),
        ("📦" * 35, Segmented("UCS-2", 70, 1)),
        ("📦" * 36, Segmented("UCS-2", 72, 2)),
        ("📦" * 67, Segmented("UCS-2", 134, 3)),  # 33 in each of two segments of 67, one over
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 8 else None,
)
def test_segments(text: str, expected: Segmented) -> None:
    assert count_segments(text) == expected
