"""Which news feeds are asked: the built-in list, the operator's, or the one that a visitor wrote.

A list has one address a line; `#` begins a remark. Feeds of the built-in list are for questions in their language.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from errors import InputError, SettingsError, SourceError
from retrieval.address import check_addresses, check_outside, host_of, names_of, parsed
from retrieval.base import Setting

MOST_FEEDS = 20
_BUILT_IN = Path(__file__).parent / "feeds.toml"
_MOST_BYTES = 2**20
_FALLBACK = "en"
NAME = "feeds"
"""Name of the setting."""


@dataclass(frozen=True)
class FeedList:
    """The feeds that are asked where a visitor names no others. Raises `SettingsError` when it is made of a bad file.

    Those of an operator's file may lie inside the network, since the operator named them; a visitor's may not.
    """

    languages: Mapping[str, str]
    """By address the language that its feed is for; empty where that is any."""
    own: bool = False
    """Whether the operator wrote it."""

    @classmethod
    def built_in(cls) -> FeedList:
        found = tomllib.loads(_BUILT_IN.read_text(encoding="utf-8"))
        return cls({address: code for code, addresses in found.items() for address in addresses})

    @classmethod
    def read(cls, file: Path) -> FeedList:
        """The operator's list; it may be empty, then there is no news."""
        try:
            with file.open("rb") as opened:
                data = opened.read(_MOST_BYTES + 1)
            text = data.decode("utf-8-sig")
        except OSError as error:
            raise _unreadable(file, str(error.strerror)) from error
        except UnicodeDecodeError as error:
            raise _unreadable(file, "it is not UTF-8 text") from error
        if len(data) > _MOST_BYTES:
            raise _unreadable(file, "it has more than 1 MB")
        addresses = lines(text)
        try:
            _check_count(addresses)
            for address in addresses:
                _check_spelling(address)
        except InputError as error:
            raise SettingsError(f"--news-feeds: {error}") from error
        return cls(dict.fromkeys(addresses, ""), own=True)

    @property
    def hosts(self) -> list[str]:
        """`host:port` of the operator's own feeds: they may be private."""
        return [names_of(parsed(address))[1] for address in self.languages] if self.own else []

    @cached_property
    def setting(self) -> Setting:
        return Setting(
            name=NAME,
            labels={"en": "News feeds", "zh": "新闻订阅源"},
            hints={
                "en": f"One RSS or Atom address a line, at most {MOST_FEEDS}. Empty: the operator's list",
                "zh": f"每行一个 RSS 或 Atom 网址，最多 {MOST_FEEDS} 个。留空则用管理员的列表",
            },
            default="\n".join(self.languages),
            lines=True,
        )

    def checked(self, text: str) -> str:
        """A visitor's list as it is used, empty where it is the default. Raises `InputError`."""
        addresses = lines(text)
        _check_count(addresses)
        for address in addresses:
            _check_spelling(address)
            if address not in self.languages:
                _check_public(address)
        return "" if addresses == list(self.languages) else "\n".join(addresses)

    def wanted(self, text: str, language: str) -> list[str]:
        """The addresses to ask for a question in this language, of a visitor's list or where that is empty the default.

        A feed that is for another language is left out, unless there is no other.
        """
        addresses = lines(text)[:MOST_FEEDS] or list(self.languages)
        for code in (language, _FALLBACK):
            fitting = [address for address in addresses if self.languages.get(address, "") in ("", code)]
            if fitting:
                return fitting
        return addresses


def lines(text: str) -> list[str]:
    """The addresses of a list, each once, in order."""
    stripped = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in stripped if line and not line.startswith("#")))


def _check_count(addresses: Sequence[str]) -> None:
    if len(addresses) > MOST_FEEDS:
        raise InputError(
            f"The list has {len(addresses)} feeds and may have {MOST_FEEDS}; take some out.",
            zh=f"列表中有 {len(addresses)} 个订阅源，最多只能有 {MOST_FEEDS} 个，请去掉一些。",
        )


def _check_spelling(address: str) -> None:
    if len(address.split()) > 1:
        shown = _shown(address)
        raise InputError(
            f"“{shown}” is not one address; write one a line.", zh=f"“{shown}”不是单个网址，请每行只写一个。"
        )
    try:
        parsed(address)
    except SourceError as error:
        raise _refused(address, error) from error


def _check_public(address: str) -> None:
    url = parsed(address)
    host = host_of(url)
    try:
        check_outside(url)
        with suppress(ValueError):  # a name: it is looked up when the feed is asked for, and checked then
            check_addresses(host, [str(ipaddress.ip_address(host))], named=False)
    except SourceError as error:
        raise _refused(address, error) from error


def _refused(address: str, error: SourceError) -> InputError:
    shown = _shown(address)
    return InputError(f"“{shown}” cannot be a feed: {error}", zh=f"“{shown}”不能作为订阅源：{error.told('zh')}")


def _shown(address: str) -> str:
    return address if len(address) <= 80 else f"{address[:79]}…"


def _unreadable(file: Path, why: str) -> SettingsError:
    return SettingsError(
        f"--news-feeds: the list {file} cannot be read ({why}); give a text file with one feed address a line."
    )
