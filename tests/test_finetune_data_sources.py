"""Where training data comes from: names of mixtures, URLs, data sets of the hub, and what each failure says.

python -m pytest tests/test_finetune_data_sources.py
"""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from errors import AppError, InputError
from finetune.data import examples
from finetune.fetching import chosen, configs_of
from finetune.mixture import Part, draw, parse
from tests.hub_server import NOWHERE, point_hub_at, serve_hub
from tests.web_server import Page, WebServer, raw

RECORD = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "She."}]}
LINE = json.dumps(RECORD).encode()


@pytest.mark.parametrize(
    ("mixture", "parts"),
    [
        ("a.jsonl", [("a.jsonl", None)]),
        ("a.jsonl:0.2, b.jsonl:0.5", [("a.jsonl", 0.2), ("b.jsonl", 0.5)]),
        (" a.jsonl :2 ,, b.jsonl", [("a.jsonl", 2.0), ("b.jsonl", None)]),
        ("a.jsonl:1e-3,b:.5", [("a.jsonl", 0.001), ("b", 0.5)]),
        ("https://h.org/a.jsonl:0.5", [("https://h.org/a.jsonl", 0.5)]),
        ("http://h:8000/a.jsonl", [("http://h:8000/a.jsonl", None)]),
        ("http://h:8000/a.jsonl:3", [("http://h:8000/a.jsonl", 3.0)]),
        ("http://h:8000", [("http://h:8000", None)]),
        ("http://h:8000:0.5", [("http://h:8000", 0.5)]),
        ("hub:owner/name:0.2,owner/name:1", [("hub:owner/name", 0.2), ("owner/name", 1.0)]),
        ("hub:owner/name/config@test:2", [("hub:owner/name/config@test", 2.0)]),
        (r"C:\data\a.jsonl:0.5", [(r"C:\data\a.jsonl", 0.5)]),
    ],
)
def test_a_mixture_is_sources_and_weights(mixture: str, parts: list[tuple[str, float | None]]) -> None:
    assert parse(mixture) == tuple(Part(*part) for part in parts)


@pytest.mark.parametrize("name", ["a,b.jsonl", "a:0.5", "a, b:0.2, c", "2026-01-01T10:00", "一:二，三.jsonl"])
def test_a_file_that_exists_is_meant_whatever_its_name_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in (name, "other.jsonl"):
        Path(file).write_bytes(LINE)
    assert parse(name) == (Part(name),)
    assert parse(f"{name}:0.5,other.jsonl:2") == (Part(name, 0.5), Part("other.jsonl", 2.0))
    assert parse(f"other.jsonl, {name}") == (Part("other.jsonl"), Part(name))


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "half", ""])
def test_a_weight_that_is_none_is_named(tmp_path: Path, weight: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(LINE)
    with pytest.raises(InputError, match=r"^The weight of .*a\.jsonl is “.*”; give a number above 0"):
        parse(f"{file}:{weight}")


def test_the_home_of_nobody_is_no_place() -> None:
    with pytest.raises(InputError, match="There is no file or folder ~nobody-of-this-name/a"):
        examples("~nobody-of-this-name/a.jsonl:0.5")


@pytest.mark.parametrize("mixture", ["", " , "])
def test_no_source_at_all_is_said(mixture: str) -> None:
    with pytest.raises(InputError, match="No training data is named"):
        parse(mixture)


def test_a_draw_gives_each_source_its_share_and_repeats_only_what_weighs_more_than_1() -> None:
    drawn = draw([10, 1000], [0.25, 3.0], seed=1)
    assert [sum(source == one for source, _ in drawn) for one in (0, 1)] == [10, 120]
    assert len(set(drawn)) == len(drawn)
    assert drawn == draw([10, 1000], [0.25, 3.0], seed=1) != draw([10, 1000], [0.25, 3.0], seed=2)
    assert draw([2, 1], [None, None], seed=5) == [(0, 0), (0, 1), (1, 0)]
    assert draw([1, 100], [0.001, 1.0], seed=0).count((0, 0)) == 1


def test_a_url_is_fetched_once_and_kept(tmp_path: Path) -> None:
    with WebServer() as server:
        server.pages["/a.jsonl.gz"] = Page(gzip.compress(LINE), {"ETag": '"1"'})
        url = server.url("/a.jsonl.gz")
        for _ in range(2):
            loaded = examples(url, downloads=tmp_path)
            assert [item.source for item in loaded.items] == [f"{url}:1"]
        assert [seen.headers.get("If-None-Match") for seen in server.asked("/a.jsonl.gz")] == [None, '"1"']
        server.pages["/a.jsonl.gz"] = Page(gzip.compress(LINE.replace(b"Who", b"What")), {"ETag": '"2"'})
        assert examples(url, downloads=tmp_path).items[0].turns[0].text == "What?"
    assert examples(url, downloads=tmp_path).items[0].turns[0].text == "What?"  # its host is gone


def test_a_url_that_cannot_be_had_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with WebServer() as server:
        server.pages["/broken"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        for path in ("/gone", "/broken"):
            with pytest.raises(AppError) as refused:
                examples(server.url(path), downloads=tmp_path)
            assert str(refused.value).count("\n") == 0 and server.host.partition(":")[0] in str(refused.value)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_a_note_that_was_not_written_to_its_end_is_made_anew(tmp_path: Path) -> None:
    with WebServer() as server:
        server.pages["/a"] = Page(LINE, {"ETag": '"1"'})
        examples(server.url("/a"), downloads=tmp_path)
        (note,) = tmp_path.glob("*.json")
        whole = note.read_text(encoding="utf-8")
        note.write_text(whole[:9], encoding="utf-8")
        assert examples(server.url("/a"), downloads=tmp_path).items[0].turns[0].text == "Who?"
        assert note.read_text(encoding="utf-8") == whole


def test_processes_that_read_the_same_url_at_once_fetch_it_once(tmp_path: Path) -> None:
    """As those of one run do."""
    with WebServer() as server, ThreadPoolExecutor(4) as readers:
        server.pages["/a"] = Page(LINE, {"ETag": '"1"'})
        found = list(readers.map(lambda _: examples(server.url("/a"), downloads=tmp_path).items, range(4)))
        assert [items[0].turns[0].text for items in found] == ["Who?"] * 4
        assert sorted(seen.headers.get("If-None-Match", "") for seen in server.asked("/a")) == ["", *['"1"'] * 3]


def test_a_url_does_not_lead_into_another_network(tmp_path: Path) -> None:
    with WebServer() as inside, WebServer() as server:
        inside.pages["/a"] = Page(LINE)
        server.pages["/a"] = Page(b"", {"Location": inside.url("/a")}, status=302)
        with pytest.raises(AppError):
            examples(server.url("/a"), downloads=tmp_path)
        assert inside.requests == []


def test_a_data_set_of_the_hub_is_its_training_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(LINE)
    (folder / "test.jsonl").write_bytes(LINE.replace(b"Who", b"What"))
    (folder / "picture.png").write_bytes(b"x")
    with serve_hub(folder, tmp_path, monkeypatch):
        for name, asked in (("hub:owner/tiny", "Who?"), ("owner/tiny", "Who?"), ("hub:owner/tiny@test", "What?")):
            loaded = examples(name)
            assert [item.turns[0].text for item in loaded.items] == [asked]
        (file,) = loaded.files
        assert (file.name, file.count) == ("hub:owner/tiny/test.jsonl", 1)
        with pytest.raises(InputError, match="owner/tiny has no files that can be read for split dev; it holds"):
            examples("hub:owner/tiny@dev")
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    assert len(examples("owner/tiny").items) == 1  # from the cache


def test_a_split_of_which_a_part_is_missing_is_not_taken_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    folder = tmp_path / "set"
    folder.mkdir()
    for number in (0, 1):
        (folder / f"train-{number}.jsonl").write_bytes(LINE)
    with serve_hub(folder, tmp_path, monkeypatch):
        snapshot_download("owner/tiny", repo_type="dataset", allow_patterns=["train-0.jsonl"])
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    with pytest.raises(AppError, match="“owner/tiny”"):
        examples("owner/tiny")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("hub:owner/gone", "is not on the hub"),
        ("hub:owner/gated", "is gated"),
        ("owner/broken", "the hub answered 500"),
        ("hub:nothing", "names no data set of the hub"),
    ],
)
def test_a_data_set_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    with serve_hub(tmp_path, tmp_path, monkeypatch), pytest.raises(AppError) as refused:
        examples(name)
    assert part in str(refused.value) and "\n" not in str(refused.value)


def test_without_a_network_a_data_set_says_so_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_hub_at(NOWHERE, tmp_path, monkeypatch)
    with pytest.raises(
        AppError, match="The data set “owner/name” is not on this machine and the hub cannot be reached"
    ):
        examples("hub:owner/name")


LISTED = (
    "README.md",
    "data/train-00000-of-00002.parquet",
    "data/train-00001-of-00002.parquet",
    "data/test-00000-of-00001.parquet",
    "chat/train.jsonl.gz",
    "chat/validation.jsonl.gz",
    "extra.jsonl",
)


@pytest.mark.parametrize(
    ("config", "split", "names"),
    [
        ("", "", ["chat/train.jsonl.gz", *LISTED[1:3]]),
        ("", "test", [LISTED[3]]),
        ("chat", "", [LISTED[4]]),
        ("chat", "validation", [LISTED[5]]),
        ("chat", "test", []),
        ("extra", "", [LISTED[6]]),
        ("none", "", []),
    ],
)
def test_files_are_chosen_by_their_names(config: str, split: str, names: list[str]) -> None:
    assert chosen(LISTED, (), config, split) == names


def test_files_are_chosen_by_the_card() -> None:
    configs = configs_of(
        [
            {"config_name": "chat", "data_dir": "chat", "data_files": "*.jsonl.gz"},
            {
                "config_name": "main",
                "default": True,
                "data_files": [
                    {"split": "train", "path": ["data/train-*.parquet", "extra.jsonl"]},
                    {"split": "test", "path": "data/test-*.parquet"},
                ],
            },
        ]
    )
    assert chosen(LISTED, configs, "", "") == [*LISTED[1:3], LISTED[6]]
    assert chosen(LISTED, configs, "main", "test") == [LISTED[3]]
    assert chosen(LISTED, configs, "chat", "") == [LISTED[4], LISTED[5]]
    assert chosen(LISTED, configs, "", "validation") == []
