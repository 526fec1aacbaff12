"""Which addresses may be fetched: how a URL must be spelled, and which numbers the whole internet can reach.

Covered: http and https only; no user name, not even an empty one; no backslash and no percent sign in the host; an IPv4
address only as four decimal numbers, so that no two programs read it differently; ports of other protocols (Fetch
standard, "bad port"); names that never leave a network; addresses by IANA's special-purpose registries, with the IPv4
address inside a tunnelled or translated one.

Not covered: a NAT64 prefix of one's own network (RFC 6052, 2.2), which looks like any other public address.
"""

from __future__ import annotations

import ipaddress
import re

import httpx

from errors import SourceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST = 8000
"""Characters of a URL, percent-encoded. A request of this length fits into one write, which no server can draw out."""
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes a host an IPv4 address (URL standard, "ends in a number")."""
_BEYOND_HTTP = frozenset(
    [
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79),
        *(87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389),
        *(427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993),
        *(
            995,
            1719,
            1720,
            1723,
            2049,
            3659,
            4045,
            4190,
            5060,
            5061,
            6000,
            6566,
            6665,
            6666,
            6667,
            6668,
            6669,
            6679,
            6697,
            10080,
        ),
    ]
)
"""Ports that speak something else (Fetch standard, 2.9 "port blocking")."""
_INSIDE_NAMES = ("localhost", "local", "internal", "home.arpa")
"""Names for use inside a network (RFC 6761, RFC 6762, ICANN 2024, RFC 8375), with everything below them."""
_SPECIAL = tuple(
    ipaddress.ip_network(block)
    for block in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
"""Beside what `ipaddress` knows, which differs between Python's versions: special blocks (IANA's registries), tunnels,
and the one metadata address of a cloud that is not private."""
_METADATA = tuple(
    ipaddress.ip_address(number)
    for number in ("168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)
"""Where Azure, Oracle, Alibaba, Amazon and Google hand out a machine's own keys, beside the link-local 169.254/16."""
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def parsed(url: str) -> httpx.URL:
    """The URL, if it is spelled so that it can mean one thing only. Raises `SourceError`."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceError("The address to fetch is malformed; check it.", zh="网址格式不正确，请检查。") from error
    if (length := len(str(found))) > _LONGEST:
        raise SourceError(
            f"The address to fetch has {length:,} characters, more than {_LONGEST:,}; check it.",
            zh=f"网址有 {length:,} 个字符，超过了 {_LONGEST:,} 个的上限，请检查。",
        )
    if not found.scheme:
        raise SourceError(
            "The address to fetch does not start with https:// or http://; give it in full.",
            zh="网址不是以 https:// 或 http:// 开头，请给出完整的网址。",
        )
    if found.scheme not in ("http", "https"):
        scheme = found.scheme[:20]
        raise SourceError(
            f"“{scheme}:” addresses are not fetched; give one that starts with https://.",
            zh=f"不能读取“{scheme}:”开头的网址，请给出以 https:// 开头的网址。",
        )
    if not 0 <= (found.port or 0) < 2**16:
        raise SourceError(
            "The address to fetch has a port that does not exist; check it.", zh="网址中的端口不存在，请检查。"
        )
    if "@" in _authority(url):
        raise SourceError(
            "Addresses with a user name or password are not fetched; leave out everything up to the @.",
            zh="不能读取带用户名或密码的网址，请去掉 @ 及其之前的部分。",
        )
    if not found.raw_host:
        raise SourceError("The address to fetch names no host; check it.", zh="网址中没有主机名，请检查。")
    if not _spelled_plainly(found):
        raise SourceError(
            "The address to fetch spells its host in a way that not every program reads alike; write it plainly.",
            zh="网址中主机名的写法有歧义，请用普通的写法。",
        )
    return found


def host_of(url: httpx.URL) -> str:
    """The host in lower case: international names in Punycode, IPv6 without brackets, no dot at the end."""
    return url.raw_host.decode("ascii").removesuffix(".")


def port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def names_of(url: httpx.URL) -> tuple[str, str]:
    """How an operator may name the URL's host to allow it: alone, and with its port."""
    host = host_of(url)
    host = f"[{host}]" if ":" in host else host
    return host, f"{host}:{port_of(url)}"


def check_outside(url: httpx.URL) -> None:
    """Raises `SourceError` for a host or a port that its mere name rules out."""
    host, port = host_of(url), port_of(url)
    if any(host == name or host.endswith(f".{name}") for name in _INSIDE_NAMES):
        raise inside_a_network(host)
    if port in _BEYOND_HTTP:
        raise SourceError(
            f"Port {port} of {host} belongs to another protocol than HTTP and is not fetched; check the address.",
            zh=f"{host} 的端口 {port} 属于 HTTP 以外的协议，不予读取，请检查网址。",
        )


def check_addresses(host: str, addresses: list[str], named: bool) -> None:
    """Raises `SourceError` unless every address of the host may be reached.

    A host that the operator `named` may lie inside a network; not where a cloud keeps the machine's keys.
    """
    numbers = [ipaddress.ip_address(address) for address in addresses]
    if not named and not all(is_public(number) for number in numbers):
        raise inside_a_network(host)
    if any(_is_never_fetched(number) for number in numbers):
        raise SourceError(
            f"{host} has a link-local, multicast or metadata address and is never fetched; check the address.",
            zh=f"{host} 指向链路本地、组播或元数据地址，一律不予读取，请检查网址。",
        )


def inside_a_network(host: str) -> SourceError:
    return SourceError(
        f"{host} is inside a private network and is not fetched; the operator can allow it by name.",
        zh=f"{host} 位于内部网络，不予读取；管理员可以按名称放行。",
    )


def is_public(address: Address) -> bool:
    """Whether the whole internet can reach the address, or the IPv4 address that it stands for (NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(_last_32_bits(address))
        if address not in _GLOBAL_UNICAST:
            return False
    special = address.is_multicast or address.is_reserved or any(address in block for block in _SPECIAL)
    return address.is_global and not special


def _is_never_fetched(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address in _NAT64 or address.ipv4_mapped is not None):
        return _is_never_fetched(_last_32_bits(address))
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def _last_32_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _authority(url: str) -> str:
    """What stands between `//` and the path, by the widest reading: some take a backslash for a slash, some do not."""
    return re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]


def _spelled_plainly(url: httpx.URL) -> bool:
    host = url.raw_host.decode("ascii")
    if url.netloc.startswith(b"["):
        return "%" not in host
    if _NUMERIC.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return _IPV4.fullmatch(host) is not None
    return _NAME.fullmatch(host) is not None
