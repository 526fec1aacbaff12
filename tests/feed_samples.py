"""News feeds for tests, written here: one town's small news in each format that publishers use.

server.pages["/rss"] = Page(rss20("Harbour Post", Report("The ferry is back", minutes=90)))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

NOON = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)
"""Of yesterday: reports are dated from there."""


@dataclass(frozen=True, slots=True)
class Report:
    """One item. `html` is its summary as markup."""

    title: str
    html: str = ""
    minutes: int | None = 0
    """After `NOON`; None for an item without a date."""
    link: str = ""

    @property
    def address(self) -> str:
        return self.link or f"https://news.example/{abs(hash(self.title))}"

    @property
    def when(self) -> datetime | None:
        return None if self.minutes is None else NOON + timedelta(minutes=self.minutes)

    @property
    def shown(self) -> str:
        """Date and time as a reader sees them."""
        return f"{self.when:%Y-%m-%d %H:%M} UTC" if self.when else ""


def rss20(title: str, *reports: Report, encoding: str = "utf-8", declared: str = "") -> bytes:
    """RSS 2.0 (RSS Advisory Board), with summaries escaped."""
    items = "".join(
        f"<item><title>{escape(report.title)}</title><link>{escape(report.address)}</link>"
        f"<guid>{escape(report.address)}</guid>"
        + (f"<pubDate>{format_datetime(report.when)}</pubDate>" if report.when else "")
        + f"<description>{escape(report.html)}</description></item>\n"
        for report in reports
    )
    text = (
        f'<?xml version="1.0" encoding="{declared or encoding}"?>\n<rss version="2.0"><channel>'
        f"<title>{escape(title)}</title><link>https://news.example/</link><description/>\n{items}</channel></rss>"
    )
    return text.encode(encoding)


def rss10(title: str, *reports: Report) -> bytes:
    """RSS 1.0 (RDF Site Summary), dates by Dublin Core, content in CDATA."""
    items = "".join(
        f"<item rdf:about={quoteattr(report.address)}><title>{escape(report.title)}</title>"
        f"<link>{escape(report.address)}</link>"
        + (f"<dc:date>{report.when.isoformat()}</dc:date>" if report.when else "")
        + f"<content:encoded><![CDATA[{report.html}]]></content:encoded></item>\n"
        for report in reports
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">'
        f'<channel rdf:about="https://news.example/"><title>{escape(title)}</title></channel>\n{items}</rdf:RDF>'
    ).encode()


def atom(title: str, *reports: Report) -> bytes:
    """Atom 1.0 (RFC 4287), summaries as HTML."""
    entries = "".join(
        f"<entry><id>{escape(report.address)}</id><title>{escape(report.title)}</title>"
        f"<link rel='alternate' href={quoteattr(report.address)}/>"
        + (f"<updated>{report.when.isoformat()}</updated>" if report.when else "")
        + f'<summary type="html">{escape(report.html)}</summary></entry>\n'
        for report in reports
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>{escape(title)}</title><id>https://news.example/</id>\n{entries}</feed>"
    ).encode()


def bomb() -> bytes:
    """Entities that stand for a billion words, one inside the other."""
    entities = "".join(f'<!ENTITY e{number} "{f"&e{number - 1};" * 10}">' for number in range(1, 10))
    return (
        f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY e0 "lighthouse">{entities}]>'
        "<rss version='2.0'><channel><title>Bomb</title>"
        "<item><title>The lighthouse &e9;</title><description>&e9;</description></item></channel></rss>"
    ).encode()
