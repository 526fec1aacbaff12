"""Articles of the small Wikipedia that tests run (`wikipedia_server.py`), in the form of TextExtracts' answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAIRS = (
    "个個为為历歷后後国國将將时時来來气氣类類组組节節遗遺间間飞飛"
    "鱼魚黄黃农農阳陽内內宝寶传傳统統从從确確产產联聯划劃点點"
)
TO_TRADITIONAL = str.maketrans(_PAIRS[::2], _PAIRS[1::2])
"""Simplified to traditional, for the characters of the articles below."""


@dataclass(frozen=True, slots=True)
class Article:
    language: str
    pageid: int
    title: str
    text: str
    """Paragraphs are lines; headings are lines such as `== Name ==`."""
    redirects: tuple[str, ...] = ()

    @property
    def extract(self) -> str:
        """The text as TextExtracts lays it out: two empty lines before each heading."""
        return re.sub(r"\n(==+ .+ ==+)(?=\n|$)", r"\n\n\n\1", self.text.strip())


ARTICLES = (
    Article(
        "en",
        101,
        "Antikythera mechanism",
        """
The Antikythera mechanism is an ancient Greek hand-powered device that showed the positions of the Sun and the Moon \
and predicted eclipses years in advance. It is often called the oldest known analogue computer.
It was made of bronze and kept in a wooden case about the size of a shoebox.
== Discovery ==
Sponge divers found the wreck near the island of Antikythera in 1900, and the mechanism was brought up with other \
finds in 1901. The archaeologist Valerios Stais noticed a gear wheel in one of the corroded lumps on 17 May 1902.
== Description ==
=== Gears ===
At least 30 bronze gears survive. The largest of them is about 13 centimetres across and has 223 or 224 teeth.
=== Inscriptions ===
X-ray tomography made more than 3,000 characters of text readable, which work as a manual for the user of the device.
== Reconstructions ==
Several working models have been built.
=== Gears ===
Michael Wright built a reconstruction whose gears drive pointers for the five planets known in antiquity.
== See also ==
Astrarium of Giovanni de' Dondi
Orrery
== References ==
List of works cited about gears, eclipses and bronze.
=== Bronze ===
A catalogue of bronze gears.
""",
        ("Antikythera device",),
    ),
    Article(
        "en",
        102,
        "Surtsey",
        """
Surtsey is an uninhabited volcanic island off the southern coast of Iceland. It was formed by an eruption that \
reached the surface of the sea on 14 November 1963 and lasted until 5 June 1967.
== Origin of the name ==
The island was named after Surtr, a fire giant of Norse mythology.
== Life's arrival & spread ==
The first vascular plant, sea rocket, was found in 1965. Puffins were found nesting on the island in 2004.
== External links ==
Surtsey Research Society
""",
    ),
    Article(
        "en",
        103,
        "Pendulum",
        """
A pendulum is a weight hung from a pivot so that it can swing freely. For small swings the period \n  \n    \n      \n\
        T\n        =\n        2\n        π\n        \n          \n            L\n            g\n          \n        \n\
      \n    \n    {\\displaystyle T=2\\pi {\\sqrt {L/g}}}\n  \n depends only on the length and on gravity.
Christiaan Huygens built the first pendulum clock in 1656.
""",
    ),
    Article(
        "en",
        104,
        "Mechanism (engineering)",
        """
In engineering, a mechanism is a device that turns input forces and movement into a desired set of output forces and \
movement. Gears, levers and cams are its usual parts.
""",
    ),
    Article(
        "zh",
        201,
        "都江堰",
        """
都江堰位于中国四川省都江堰市，是一座建于公元前256年前后的水利工程，至今仍在灌溉成都平原。
== 历史 ==
战国时期，秦国蜀郡太守李冰主持修建了都江堰，以治理岷江的水患。
== 主体工程 ==
都江堰由鱼嘴、飞沙堰和宝瓶口三个部分组成。
=== 鱼嘴 分水堤 ===
鱼嘴将岷江分为内江和外江，内江的水用于灌溉，外江的水用于排洪。
== 参考文献 ==
都江堰水利史研究
""",
    ),
    Article(
        "zh",
        202,
        "二十四节气",
        """
二十四节气是中国传统历法中的二十四个时间点，从立春到大寒，用来指导农业生产。
== 确定方法 ==
现行的节气按太阳在黄道上的位置划分，每十五度为一个节气。
== 世界遗产 ==
2016年，二十四节气列入联合国教科文组织人类非物质文化遗产代表作名录。
""",
    ),
    Article(
        "de",
        301,
        "Zugspitze",
        """
Die Zugspitze ist mit 2962 Metern der höchste Berg Deutschlands. Sie liegt im Wettersteingebirge südwestlich von \
Garmisch-Partenkirchen.
== Erstbesteigung ==
Der Leutnant Josef Naus erreichte den Gipfel am 27. August 1820 mit seinem Burschen Maier und dem Bergführer Johann \
Georg Tauschl.
== Größe der Gletscher ==
Der Nördliche Schneeferner ist einer der letzten Gletscher Deutschlands.
== Einzelnachweise ==
Bayerische Akademie der Wissenschaften: Gletscherbericht.
""",
    ),
)
