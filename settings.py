"""Every setting of the app in one frozen object: flags over environment (GROUNDCHAT_*) over `.env` over defaults.

This is the only module that reads the environment. It is strict: an unknown or malformed setting stops the start
with one sentence that names it. `python app.py --help` lists them.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from chat.placement import ZEROGPU
from errors import SettingsError
from retrieval.leagues import LEAGUE_ID

PREFIX = "GROUNDCHAT_"
_HOST = re.compile(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class Secret(str):
    """A string that does not show itself in logs, messages and reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"


def _boolean(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError("use on or off")
    return words[text.lower()]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("use a number from 0 to 65535 (0 takes a free port)")
    return int(text)


def _between(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"use a number from {low:g} to {high:g}")
        return value

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"use a whole number from {low} to {high}")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError("use " + ", ".join(words[:-1]) + " or " + words[-1])
        return text

    return parse


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()


def _folder(text: str) -> Path:
    return Path(_text(text)).expanduser()


def _secret(text: str) -> Secret:
    if len(text) < 8:
        raise ValueError("use at least 8 characters")
    return Secret(text)


def _key(text: str) -> Secret:
    if not text.strip() or not text.isascii() or not text.isprintable():
        raise ValueError("use the printable ASCII characters that the server's owner gave you")
    return Secret(text.strip())


def _languages(text: str) -> frozenset[str]:
    codes = frozenset(code.strip() for code in text.split(",") if code.strip())
    if not codes or not all(code == "*" or (len(code) == 2 and code.isascii() and code.isalpha()) for code in codes):
        raise ValueError("use two-letter codes separated by commas, or *")
    return codes


def _hosts(text: str) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in text.split(",") if host.strip())
    if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("use host names, each with or without a port, like wiki.example:8080,10.0.0.5")
    return hosts


def _wikipedia_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username or "{language}" not in text:
        raise ValueError("use an http(s) address that holds {language}, such as https://{language}.wikipedia.org")
    return text.rstrip("/")


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username or parts.query or parts.fragment:
        raise ValueError("use an http(s) address without a query, such as https://search.example.org")
    return text.rstrip("/")


def _leagues(text: str) -> tuple[str, ...]:
    leagues = tuple(dict.fromkeys(league.strip() for league in text.split(",") if league.strip()))
    if not leagues or not all(LEAGUE_ID.fullmatch(league) for league in leagues):
        raise ValueError("use leagues spelled sport/league, separated by commas, like soccer/eng.1,basketball/nba")
    return leagues


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text not in ("auto", "cpu", "cuda", "mps") and not (kind == "cuda" and number.isascii() and number.isdigit()):
        raise ValueError("use auto, cpu, cuda, mps, or one GPU by its number, like cuda:1")
    return f"{kind}{colon}{int(number)}" if number else kind


def _max_memory(text: str) -> tuple[tuple[int | str, float], ...]:
    """`0:20,1:20,cpu:64` into caps in GiB by GPU number or "cpu"."""
    caps: dict[int | str, float] = {}
    for part in text.split(","):
        place, _, size = (word.strip() for word in part.partition(":"))
        try:
            gib = float(size)
        except ValueError:
            gib = 0.0
        number = place.isascii() and place.isdigit()
        if not (number or place == "cpu") or not 0 < gib < 1e6 or (int(place) if number else place) in caps:
            raise ValueError("use GiB by GPU number or cpu, each once, like 0:20,1:20,cpu:64")
        caps[int(place) if number else place] = gib
    return tuple(caps.items())


def _moderators(text: str) -> tuple[str, ...]:
    """`embedded,owner/name,http://host/v1#model` into names, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError("use embedded, hub ids, folders or addresses like http://host:8000/v1#model, with commas")
    return names


def _setting(default: Any, parse: Callable[[str], Any], says: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": says})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose. Every field is a flag (`--data-dir`) and a variable (`GROUNDCHAT_DATA_DIR`)."""

    host: str = _setting("127.0.0.1", _text, "address to listen on; 0.0.0.0 lets other machines in")
    port: int = _setting(7860, _port, "port to listen on; 0 takes a free one")
    share: bool = _setting(False, _boolean, "also open a public Gradio link, behind a passphrase")
    passphrase: Secret = _setting(
        Secret(""), _secret, "passphrase of the page, any user name; --share makes one up when none is set"
    )
    data_dir: Path = _setting(Path("var"), Path, "folder for the index, uploads and caches")
    model: str = _setting(
        "auto",
        _text,
        "auto, reader, a hub id, a local folder, run:NAME of a fine-tuned one in runs/ of the data folder, or the "
        "address of an OpenAI-compatible server",
    )
    remote_model: str = _setting("", _text, "name of the model on that server; not needed where it has one")
    remote_key: Secret = _setting(Secret(""), _key, "API key for that server")
    model_picker: str = _setting(
        "auto", _one_of("auto", "on", "off"), "visitors may load chat models; auto: only when nobody else can reach it"
    )
    device: str = _setting("auto", _device, "where a chat model runs: auto, cpu, cuda, cuda:1 or mps")
    dtype: str = _setting("auto", _one_of("auto", "bfloat16", "float16", "float32"), "number format of its weights")
    quantisation: str = _setting(
        "none", _one_of("none", "8bit", "4bit"), "smaller weights, through the package bitsandbytes"
    )
    max_memory: tuple[tuple[int | str, float], ...] = _setting(
        (), _max_memory, "GiB that weights may take of each GPU and of the RAM, like 0:20,1:20,cpu:64"
    )
    offload_dir: Path | None = _setting(None, _folder, "folder for weights that fit neither GPUs nor RAM (slow)")
    adapter: str = _setting("", _text, "LoRA adapter merged into the chat model: a hub id or a local folder")
    max_new_tokens: int = _setting(512, _whole(1, 32768), "longest answer of a chat model, in tokens")
    temperature: float = _setting(0.6, _between(0, 5), "sampling temperature of a chat model; 0 is greedy")
    encoder: str = _setting("embedded", _text, "sentence encoder: embedded, a hub id or a local folder")
    encoder_languages: frozenset[str] = _setting(
        frozenset({"en"}), _languages, "languages the encoder knows, separated by commas; * for all"
    )
    network: bool = _setting(True, _boolean, "off: no source may leave this machine")
    wikipedia_url: str = _setting("https://{language}.wikipedia.org", _wikipedia_url, "base address of Wikipedia")
    sports_url: str = _setting(
        "https://site.api.espn.com/apis/site/v2/sports", _web_url, "score boards in the format of ESPN's site API"
    )
    sports_leagues: tuple[str, ...] = _setting(
        (), _leagues, "leagues asked for scores where a visitor has not chosen, like soccer/eng.1,basketball/nba"
    )
    web_search_url: str = _setting("", _web_url, "address of a SearxNG instance; without one there is no web search")
    allow_hosts: frozenset[str] = _setting(
        frozenset(), _hosts, "hosts inside your network that may be fetched from, separated by commas"
    )
    contact: str = _setting("", _text, "e-mail or page named in the User-Agent, as Wikipedia asks of operators")
    index: str = _setting(
        "", _web_url, "address of a Milvus that keeps the documents, like http://milvus:19530; otherwise this machine"
    )
    index_token: Secret = _setting(Secret(""), _key, "user:password or API key for that Milvus")
    documents_folder: Path | None = _setting(None, _folder, "folder whose files everybody may search; it is watched")
    documents_urls: Path | None = _setting(
        None, _folder, "text file with one URL a line, whose pages everybody may search; they are kept up to date"
    )
    news_feeds: Path | None = _setting(
        None, _folder, "text file with one RSS or Atom address a line, instead of the built-in list; empty: no news"
    )
    wikipedia_dump: Path | None = _setting(
        None, _folder, "dump of a Wikipedia (pages-articles.xml.bz2), indexed in the background and searched here"
    )
    neighbours: int = _setting(
        1, _whole(0, 20), "passages on either side that a chat model reads with one that was found; 0 for none"
    )
    neighbour_cosine: float = _setting(
        0.7, _between(-1, 1), "cosine that such a neighbour's vector must exceed; the first that does not ends them"
    )
    source_limit_s: float = _setting(6.0, _between(0.1, 120), "time limit of one source, in seconds")
    moderation: str = _setting("on", _one_of("on", "off", "always"), "switch's first position; always: no switch")
    moderation_policy: str = _setting(
        "", _text, "TOML file laid over the built-in moderation policy; read again when it changes"
    )
    moderators: tuple[str, ...] = _setting(
        ("embedded",),
        _moderators,
        "who screens, any may refuse: embedded, hub ids, folders, servers like http://host:8000/v1#model, with commas",
    )
    moderation_weights: Path | None = _setting(
        None,
        _folder,
        "weights of the embedded moderator, as finetune.moderation_cases writes them; empty: the shipped ones",
    )
    moderator_key: Secret = _setting(Secret(""), _key, "API key for the servers among them")
    moderator_catalogue: Path | None = _setting(
        None, _folder, "TOML file that says how further moderators are asked, in the form of moderation/catalogue.toml"
    )
    moderation_limit_s: float = _setting(10.0, _between(0.1, 120), "time limit of one moderation check, in seconds")
    ratings: str = _setting(
        "on",
        _one_of("on", "off", "always"),
        "answers can be rated; on: their text is kept for training where the person agrees; always: it is always kept",
    )
    operator_key: Secret = _setting(
        Secret(""),
        _secret,
        "key of the operator's page, /moderation; made up and printed when none is set",
    )
    upload_limit_mb: float = _setting(100.0, _between(0.001, 5000), "largest document a visitor may upload")
    answer_limit_s: float = _setting(600.0, _between(1, 86_400), "longest time one answer may take, in seconds")
    rewrite_limit_s: float = _setting(
        2.0, _between(0, 30), "seconds a chat model may take to rewrite a follow-up for the search; 0: rules alone"
    )
    users: int = _setting(16, _whole(1, 1000), "answers written at the same time; others wait in a queue")


_FIELDS = {f.name: f for f in dataclasses.fields(Settings)}


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of leaving the process, so that every fault is told the same way."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help lists the flags.")


def load(
    argv: Sequence[str], environ: Mapping[str, str], dotenv: Path | None = None, program: str = "python app.py"
) -> Settings:
    """Settings from flags, then environment, then the `.env` file. Raises `SettingsError` with one sentence.

    `program` is how the help names what is started.
    """
    # A Hugging Face Space routes to the container's own address, and names itself in SPACE_ID.
    values: dict[str, Any] = {"host": "0.0.0.0"} if environ.get("SPACE_ID") else {}
    for origin, texts in (
        (".env", _variables(_read_dotenv(dotenv), ".env")),
        ("the environment", _variables(environ, "the environment")),
        ("the flags", _flags(argv, program)),
    ):
        for name, text in texts.items():
            values[name] = _parse(name, text, origin)
    if environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"):
        values["device"] = _lent(values.get("device", "auto"))
    return Settings(**values)


def _lent(device: str) -> str:
    """Where chat models run on a Space that is lent its GPUs. Raises `SettingsError` when it is told otherwise."""
    if device != "auto":
        raise SettingsError(
            f"--device is “{device}”, but this Space has ZeroGPU, whose GPUs are lent for one answer at a time; leave "
            "it out, or choose other hardware for the Space."
        )
    return ZEROGPU


def _parse(name: str, text: str, origin: str) -> Any:
    try:
        return _FIELDS[name].metadata["parse"](text)
    except ValueError as error:
        shown = "a value" if _FIELDS[name].type == "Secret" else f"“{text}”"
        raise SettingsError(f"{_told(name, origin)} in {origin} is {shown}: {error}.") from None


def _told(name: str, origin: str) -> str:
    return f"--{name.replace('_', '-')}" if origin == "the flags" else PREFIX + name.upper()


def _variables(environ: Mapping[str, str], origin: str) -> dict[str, str]:
    """The settings among variables; an empty one counts as not set. Unknown GROUNDCHAT_ names are refused."""
    texts: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in _FIELDS or variable != variable.upper():
            known = [PREFIX + n.upper() for n in _FIELDS]
            close = difflib.get_close_matches(variable.upper(), known, n=1)
            hint = f"did you mean {close[0]}?" if close else "python app.py --help lists the settings."
            raise SettingsError(f"{variable} in {origin} is not a setting of Groundchat; {hint}")
        if text:
            texts[name] = text
    return texts


def _read_dotenv(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        pairs = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The file {path} cannot be read as UTF-8 text; mend or remove it.") from error
    return {name: text or "" for name, text in pairs.items()}


def _flags(argv: Sequence[str], program: str) -> dict[str, str]:
    parser = _Parser(
        prog=program,
        description="Groundchat: answers from sources, with citations, screened.",
        epilog=f"Each flag is also a variable: --data-dir is {PREFIX}DATA_DIR, in the environment or in .env.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    for name, f in _FIELDS.items():
        # A switch may stand alone: --share means --share on.
        optional: dict[str, Any] = {"nargs": "?", "const": "on"} if f.type == "bool" else {}
        shown = "" if f.default in ("", Secret(""), (), frozenset(), None) else f" (default: {_shown(f.default)})"
        says = f"{f.metadata['help']}{shown}".replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=says, **optional)
    return dict(vars(parser.parse_args(list(argv))))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    return ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)
