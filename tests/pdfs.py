"""Small PDFs written by hand, in the simplest form of ISO 32000: pages of text at given places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Line = tuple[float, float, float, str]
"""(left, baseline from the bottom, size, text), in points."""


def page_of(lines: Sequence[Line], rotation: int = 0, drawn: str = "") -> tuple[str, int]:
    """(content stream, rotation) of a page; a rotated one has its text turned so that it stands upright as shown."""
    turned = {0: "1 0 0 1 0 0", 90: "0 1 -1 0 612 0", 180: "-1 0 0 -1 612 792", 270: "0 -1 1 0 0 792"}[rotation]
    shown = "".join(
        f"BT /F1 {size} Tf {left} {base} Td ({text.translate(_ESCAPED)}) Tj ET\n" for left, base, size, text in lines
    )
    return f"q {turned} cm\n{drawn}{shown}Q", rotation


_ESCAPED = str.maketrans({"(": r"\(", ")": r"\)", "\\": r"\\"})


def write_pdf(path: Path, pages: Sequence[tuple[str, int]]) -> Path:
    """A PDF of letter-sized pages, in Helvetica, at `path`."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, (content, rotation) in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Rotate {rotation} /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content.encode('latin-1'))} >>\nstream\n{content}\nendstream")
    data, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    path.write_bytes(bytes(data) + end.encode("ascii"))
    return path
