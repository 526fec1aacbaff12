"""The operator's folder, followed into the index. python -m pytest tests/test_watched_folder.py"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from encoder import SentenceEncoder
from errors import DocumentError, SettingsError
from retrieval.base import SearchRequest
from retrieval.corpus import SHARED
from retrieval.follower import Follower
from retrieval.index import DocumentIndex
from retrieval.watched_folder import WatchedFolder
from tests.sentences import one_sentence

LIMIT = 2**20


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DocumentIndex]:
    index = DocumentIndex(tmp_path / "index", SentenceEncoder())
    index.open()
    yield index
    index.close()


@dataclass
class Followed:
    """A folder, what is in it, and who follows it."""

    root: Path
    index: DocumentIndex
    record: Path
    clock: Clock
    follower: Follower

    def write(self, name: str, text: str, age_s: float = 10.0) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        os.utime(file, (self.clock.now - age_s,) * 2)
        return file

    def step(self) -> bool:
        return self.follower.step(threading.Event())

    def again(self) -> None:
        """As after a restart."""
        folder = WatchedFolder(self.root, self.record.parent, self.clock)
        self.follower = Follower(self.index, folder, self.record, LIMIT, clock=self.clock)

    @property
    def names(self) -> list[str]:
        return sorted(info.name for info in self.index.documents(SHARED, ""))

    def found(self, query: str) -> list[str]:
        return [passage.text for passage in self.index.search(SearchRequest(query, owner="anyone"), SHARED)]


@pytest.fixture
def followed(tmp_path: Path, index: DocumentIndex) -> Followed:
    root = tmp_path / "documents"
    root.mkdir()
    clock = Clock(1_800_000_000.0)
    followed = Followed(root, index, tmp_path / "data" / "folder.json", clock, None)  # type: ignore[arg-type]
    followed.again()
    return followed


def test_what_is_added_changed_and_deleted_follows(followed: Followed) -> None:
    first = followed.write("a.md", "# Otters\n\nOtters sleep holding hands.")
    followed.write("deep/er/b.txt", "Badgers dig long setts.")
    assert followed.step()
    assert followed.names == ["a.md", "deep/er/b.txt"]
    assert followed.found("otters") == ["Otters sleep holding hands."]
    followed.write("a.md", "# Otters\n\nOtters juggle stones.", age_s=5)
    followed.write("c.txt", "Herons stand still.")
    followed.step()
    assert followed.found("otters") == ["Otters juggle stones."]
    assert followed.names == ["a.md", "c.txt", "deep/er/b.txt"]
    first.unlink()
    (followed.root / "deep/er/b.txt").rename(followed.root / "moved.txt")
    followed.step()
    assert followed.names == ["c.txt", "moved.txt"]
    assert followed.found("otters") == []
    assert followed.follower.failures == {}


def test_what_has_not_changed_is_not_read_again(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    followed.write("a.md", "# Otters\n\nOtters sleep.")
    followed.step()
    monkeypatch.setattr("retrieval.follower.open_file", never)
    followed.step()
    followed.again()
    followed.step()
    assert followed.names == ["a.md"]


def never(*args: object) -> None:
    raise AssertionError("nothing is to be read")


def test_a_file_that_is_being_written_waits(followed: Followed) -> None:
    followed.write("a.txt", "Half a sent", age_s=1)
    followed.step()
    assert (followed.names, followed.follower.waiting) == ([], 1)
    followed.write("a.txt", "Half a sentence, and the rest.", age_s=1)
    followed.clock.now += 0.5
    followed.step()
    assert followed.names == []
    followed.clock.now += 5
    followed.step()
    assert followed.found("sentence") == ["Half a sentence, and the rest."]
    assert followed.follower.waiting == 0


def test_the_older_version_is_found_until_the_newer_is_whole(followed: Followed) -> None:
    followed.write("a.txt", "Otters sleep.")
    followed.step()
    followed.write("a.txt", "Otters sl", age_s=0)
    followed.step()
    assert followed.found("otters") == ["Otters sleep."]


def test_a_time_in_the_future_must_be_seen_twice(followed: Followed) -> None:
    followed.write("a.txt", "Written on a machine whose clock is ahead.", age_s=-3600)
    followed.step()
    assert followed.names == []
    followed.step()
    assert followed.names == ["a.txt"]


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.md",
        ".git/config.txt",
        "a/.b/c.txt",
        "~$report.txt",
        "a.txt~",
        "b.txt.part",
        "c.txt.crdownload",
        "d.tmp",
    ],
)
def test_hidden_and_unfinished_files_are_left_out(followed: Followed, name: str) -> None:
    followed.write(name, "Not for everybody.")
    followed.step()
    assert (followed.names, followed.follower.failures) == ([], {})


def test_links_lead_nowhere_else(followed: Followed, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("The secret word is xyzzy.")
    os.utime(tmp_path / "outside" / "secret.txt", (0, 0))
    followed.write("..data/inner.txt", "Inner words.")
    followed.write("folder/real.txt", "Real words.")
    root = followed.root
    (root / "file.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "relative.txt").symlink_to("../outside/secret.txt")
    (root / "folder-out").symlink_to(tmp_path / "outside")
    (root / "folder-in").symlink_to("folder")
    (root / "up").symlink_to("..")
    (root / "circle.txt").symlink_to("circle.txt")
    (root / "nowhere.txt").symlink_to("gone.txt")
    (root / "passwd.txt").symlink_to("/etc/passwd")
    (root / "inner.txt").symlink_to("..data/inner.txt")  # as a Kubernetes ConfigMap does
    os.mkfifo(root / "pipe.txt")
    followed.step()
    assert followed.names == ["folder/real.txt", "inner.txt"]
    assert followed.found("xyzzy") == []


def test_the_apps_own_data_is_not_a_document(followed: Followed) -> None:
    followed.record = followed.root / "var" / "shared" / "folder.json"
    followed.write("var/index/a.txt", "Ours.")
    followed.write("a.txt", "Theirs.")
    folder = WatchedFolder(followed.root, followed.root / "var", followed.clock)
    followed.follower = Follower(followed.index, folder, followed.record, LIMIT, clock=followed.clock)
    followed.step()
    followed.step()
    assert followed.names == ["a.txt"]


def test_a_file_that_cannot_be_read_is_told_once_and_the_others_go_on(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    followed.write("a.exe", "MZ")
    followed.write("b.txt", "\0\0\0")
    followed.write("c.txt", "Good words.")
    (followed.root / "huge.txt").write_bytes(b"x" * (LIMIT + 1))
    os.utime(followed.root / "huge.txt", (followed.clock.now - 10,) * 2)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            followed.clock.now += 200
            followed.step()
    assert followed.names == ["c.txt"]
    assert sorted(followed.follower.failures) == ["a.exe", "b.txt", "huge.txt"]
    assert all(one_sentence(error) for error in followed.follower.failures.values())
    assert sorted(record.message for record in caplog.records) == sorted(map(str, followed.follower.failures.values()))
    followed.write("b.txt", "Mended words.", age_s=5)
    (followed.root / "a.exe").unlink()
    followed.step()
    assert followed.names == ["b.txt", "c.txt"]
    assert sorted(followed.follower.failures) == ["huge.txt"]


def test_what_becomes_unreadable_stays_as_it_was(followed: Followed) -> None:
    followed.write("a.txt", "Otters sleep.")
    followed.step()
    followed.write("a.txt", "\0\0\0\0", age_s=5)
    followed.step()
    assert followed.found("otters") == ["Otters sleep."]
    assert list(followed.follower.failures) == ["a.txt"]


def test_a_failure_is_tried_again_after_a_while(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    followed.write("a.txt", "Otters sleep.")
    tries = []

    def full(*args: Any, **how: Any) -> None:
        tries.append(followed.clock.now)
        raise DocumentError("The disk is full; free some space.")

    monkeypatch.setattr(followed.index, "add_incoming", full)
    for _ in range(30):
        followed.clock.now += 20
        followed.step()
    assert len(tries) == 3
    monkeypatch.undo()
    followed.clock.now += 2000
    followed.step()
    assert followed.names == ["a.txt"]
    assert followed.follower.failures == {}


def test_a_bug_in_reading_one_file_is_logged_and_the_others_go_on(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from retrieval.files import open_file

    def read(path: Path, *how: Any) -> Any:
        if path.name == "a.txt":
            raise ZeroDivisionError
        return open_file(path, *how)

    monkeypatch.setattr("retrieval.follower.open_file", read)
    followed.write("a.txt", "Bad luck.")
    followed.write("b.txt", "Good luck.")
    followed.step()
    assert followed.names == ["b.txt"]
    assert "ZeroDivisionError" in caplog.text
    assert one_sentence(followed.follower.failures["a.txt"])


def test_a_folder_that_cannot_be_read_deletes_nothing(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "in/b.txt", "in/ner/c.txt", "in-not/d.txt"):
        followed.write(name, f"Words of {name}.")
    followed.step()
    scandir = os.scandir

    def refusing(path: Path) -> Any:
        if path == followed.root / "in/":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (followed.root / "a.txt").unlink()
    (followed.root / "in-not/d.txt").unlink()
    assert not followed.step()
    assert followed.names == ["in/b.txt", "in/ner/c.txt"]
    (failure,) = followed.follower.failures.values()
    assert "cannot be read (Permission denied)" in str(failure) and one_sentence(failure)
    monkeypatch.undo()
    (followed.root / "in/b.txt").unlink()
    assert followed.step()
    assert (followed.names, followed.follower.failures) == (["in/ner/c.txt"], {})


def test_a_folder_that_goes_away_deletes_nothing(followed: Followed, tmp_path: Path) -> None:
    followed.write("a.txt", "Otters sleep.")
    followed.step()
    followed.root.rename(tmp_path / "elsewhere")
    assert not followed.step()
    assert followed.names == ["a.txt"]
    assert one_sentence(next(iter(followed.follower.failures.values())))
    (tmp_path / "elsewhere").rename(followed.root)
    assert followed.step()
    assert (followed.names, followed.follower.failures) == (["a.txt"], {})


def test_a_mount_point_without_its_disk_deletes_nothing(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    file = followed.write("a.txt", "Otters sleep.")
    followed.step()
    monkeypatch.setattr("retrieval.watched_folder._device", lambda root: 42)
    file.unlink()
    assert not followed.step()
    assert followed.names == ["a.txt"]
    assert "its disk is gone" in str(followed.follower.failures[""])
    monkeypatch.undo()
    followed.step()  # the same disk, and empty: it was deleted
    assert followed.names == []


def test_the_index_is_what_counts(followed: Followed) -> None:
    followed.write("a.txt", "Otters sleep.")
    followed.write("b.txt", "Badgers dig.")
    followed.step()
    gone = next(info.id for info in followed.index.documents(SHARED, "") if info.name == "a.txt")
    followed.index.delete(gone, "")
    followed.again()
    followed.step()
    assert followed.names == ["a.txt", "b.txt"]


@pytest.mark.parametrize("damage", ["{", "[]", '{"a.txt": 1}', '{"a.txt": ["1"]}', "\0"])
def test_a_damaged_record_costs_only_time(followed: Followed, damage: str) -> None:
    followed.write("a.txt", "Otters sleep.")
    followed.step()
    followed.record.write_text(damage)
    followed.again()
    followed.step()
    assert followed.names == ["a.txt"]
    assert list(json.loads(followed.record.read_text())) == ["a.txt"]


def test_names_in_any_script_and_encoding(followed: Followed) -> None:
    followed.write("水獭/觅食.md", "水獭会用石头砸开贝壳。")
    (followed.root / os.fsdecode(b"caf\xe9.txt")).write_text("Strange name.")
    os.utime(followed.root / os.fsdecode(b"caf\xe9.txt"), (0, 0))
    followed.step()
    followed.again()
    followed.step()
    assert followed.names == ["caf\ufffd.txt", "水獭/觅食.md"]
    assert followed.found("水獭") == ["水獭会用石头砸开贝壳。"]


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--documents-folder cannot be read \(No such file"):
        WatchedFolder(tmp_path / "gone", tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="Not a directory"):
        WatchedFolder(tmp_path / "file", tmp_path)
