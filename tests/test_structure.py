"""The shape of the repository: who may import whom, how long a file may be, and that the README's tree is true.

python -m pytest tests/test_structure.py
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parent.parent
_LONGEST = 400
_PACKAGES = ("chat", "retrieval", "moderation", "ui", "serving", "finetune", "evaluation")
_FORBIDDEN = {
    "retrieval": {"chat", "ui", "serving", "app", "wiring", "gradio", "moderation", "settings", "evaluation"},
    "moderation": {"chat", "ui", "serving", "app", "wiring", "gradio", "retrieval.index", "settings", "evaluation"},
    "chat": {"ui", "serving", "app", "wiring", "gradio", "settings", "evaluation"},
    "ui": {"app", "wiring", "serving", "settings", "evaluation"},
    "serving": {"app", "wiring", "ui", "gradio", "settings", "evaluation"},
}
_ENTRIES = {
    "app.py": set[str](),
    "chat/__main__.py": {"settings", "wiring"},
    "finetune/command.py": set[str](),
}
"""Where the program starts, and what only they may import or touch beyond their package."""
_HEAVY = ("torch", "transformers", "tantivy", "accelerate", "pymilvus", "grpc")


def _sources() -> list[Path]:
    return [path for path in _tracked() if path.suffix == ".py"]


def _tracked() -> list[Path]:
    """Every file of the repository, whether committed yet or not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [_ROOT / line for line in listed.stdout.splitlines() if (_ROOT / line).is_file()]


@cache
def _imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return frozenset(found)


@pytest.mark.parametrize("package", sorted(_FORBIDDEN))
def test_imports_point_one_way(package: str) -> None:
    for path in (_ROOT / package).rglob("*.py"):
        place = path.relative_to(_ROOT).as_posix()
        for module in _imports(path):
            parts = module.split(".")
            prefixes = {".".join(parts[: i + 1]) for i in range(len(parts))}
            assert not prefixes & (_FORBIDDEN[package] - _ENTRIES.get(place, set())), f"{place} imports {module}"


def test_only_the_page_and_the_root_import_gradio() -> None:
    for path in _sources():
        if path.relative_to(_ROOT).parts[0] in ("ui", "app.py", "tests"):
            continue
        assert not any(m.split(".")[0] == "gradio" for m in _imports(path)), path


def test_only_entries_hand_over_the_environment() -> None:
    for path in _sources():
        place = path.relative_to(_ROOT)
        if place.parts[0] == "tests" or place.as_posix() in _ENTRIES:
            continue
        assert not re.search(r"\bos\.(environ|getenv)", path.read_text(encoding="utf-8")), place


def test_no_file_is_too_long() -> None:
    for path in _sources():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= _LONGEST, f"{path.relative_to(_ROOT)} has {lines} lines"


@pytest.mark.parametrize(("entry", "unwanted"), [("app", (*_HEAVY, "spaces")), ("chat.__main__", (*_HEAVY, "gradio"))])
def test_an_entry_starts_before_anything_heavy_is_imported(entry: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {entry}; print(*[m for m in {unwanted!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_readmes_tree_names_every_file_and_folder_there_is() -> None:
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"```\n(app\.py.*?)```", readme, re.DOTALL)
    assert tree
    folder, named = "", set[str]()
    for line in tree.group(1).splitlines():
        match = re.match(r"(\s*)(\S+)(?:\s+\S|$)", line)
        assert match
        names = match.group(2).split()
        folder = "" if not match.group(1) else folder
        named |= {folder + name for name in names}
        if not match.group(1) and names[0].endswith("/"):
            folder = names[0]
    there = {_entry(path.relative_to(_ROOT)) for path in _tracked()} - {""}
    there |= {f"{package}/" for package in _PACKAGES}
    assert named == there


def _entry(path: Path) -> str:
    """How the tree names a file: modules of packages one by one, other folders as a whole."""
    if path.name == "__init__.py" or (path.parts[0].startswith(".") and len(path.parts) == 1):
        return ""
    if path.parts[0] in _PACKAGES and len(path.parts) == 2:
        return str(path)
    if path.parts[0] in _PACKAGES:
        return "/".join(path.parts[:2]) + "/"
    return path.parts[0] + ("/" if len(path.parts) > 1 else "")


def test_every_import_of_a_package_is_a_pinned_requirement() -> None:
    pinned = "\n".join((_ROOT / name).read_text(encoding="utf-8") for name in _REQUIREMENTS)
    names = {line.split("==")[0].lower().replace("_", "-") for line in pinned.splitlines() if "==" in line}
    ours = {path.stem for path in _ROOT.glob("*.py")} | {*_PACKAGES, "tests"}
    for path in _sources():
        for module in {m.split(".")[0] for m in _imports(path)} - ours - set(sys.stdlib_module_names):
            assert _DISTRIBUTION.get(module, module.lower().replace("_", "-")) in names, f"{path}: {module}"


_REQUIREMENTS = ("requirements.txt", "requirements-milvus.txt", "requirements-finetune.txt", "requirements-dev.txt")
_DISTRIBUTION = {
    "wikipediaapi": "wikipedia-api",
    "rank_bm25": "rank-bm25",
    "dotenv": "python-dotenv",
    "Stemmer": "pystemmer",
    "gradio_client": "gradio-client",
    "huggingface_hub": "huggingface-hub",
    "PIL": "pillow",
    "grpc": "grpcio",
}


def test_every_requirement_is_pinned_to_one_version() -> None:
    for name in _REQUIREMENTS:
        for line in (_ROOT / name).read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].strip()
            if text and not text.startswith("-r "):
                assert re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[A-Za-z0-9_.!+-]+", text), f"{name}: {line}"


def test_a_space_can_install_the_requirements() -> None:
    """It is built with one pip call: the requirements, and gradio[oauth,mcp] in the version that the README names."""
    text = (_ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)}
    front = (_ROOT / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert f"sdk_version: {pins[canonicalize_name('gradio')]}\n" in front
    for line in requires("gradio") or ():
        wanted = Requirement(line)
        pin = pins.get(canonicalize_name(wanted.name))
        if pin and any(not wanted.marker or wanted.marker.evaluate({"extra": extra}) for extra in ("oauth", "mcp")):
            assert wanted.specifier.contains(pin), f"{line} excludes {pin}"
