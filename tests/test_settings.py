"""python -m pytest tests/test_settings.py"""

from __future__ import annotations

from pathlib import Path

import pytest

import settings
from errors import SettingsError
from settings import Secret, Settings


def test_defaults_need_nothing() -> None:
    assert settings.load([], {}) == Settings()


def test_flags_win_over_environment_and_environment_over_dotenv(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("GROUNDCHAT_PORT=1\nGROUNDCHAT_HOST=a\nGROUNDCHAT_MODEL=m\nOTHER=x\n", encoding="utf-8")
    environ = {"GROUNDCHAT_PORT": "2", "GROUNDCHAT_HOST": "b", "PATH": "p"}
    found = settings.load(["--port", "3"], environ, dotenv)
    assert (found.port, found.host, found.model) == (3, "b", "m")


def test_a_switch_may_stand_alone() -> None:
    assert settings.load(["--share"], {}).share is True
    assert settings.load(["--share", "off"], {}).share is False


def test_a_space_listens_on_every_address() -> None:
    assert settings.load([], {"SPACE_ID": "someone/groundchat"}).host == "0.0.0.0"
    assert settings.load(["--host", "127.0.0.2"], {"SPACE_ID": "someone/groundchat"}).host == "127.0.0.2"


def test_a_space_with_zerogpu_has_no_other_device() -> None:
    space = {"SPACE_ID": "someone/groundchat", "SPACES_ZERO_GPU": "true"}
    assert settings.load([], space).device == "zerogpu"
    assert settings.load(["--device", "auto"], space).device == "zerogpu"
    assert settings.load([], {"SPACES_ZERO_GPU": "0"}).device == "auto"
    with pytest.raises(SettingsError, match="--device is “cpu”, but this Space has ZeroGPU"):
        settings.load(["--device", "cpu"], space)
    with pytest.raises(SettingsError, match="use auto, cpu, cuda, mps"):
        settings.load(["--device", "zerogpu"], {})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert settings.load([], {"GROUNDCHAT_PORT": ""}) == Settings()


def test_live_sources() -> None:
    found = settings.load(
        ["--sports-leagues", "soccer/eng.1, basketball/nba", "--web-search-url", "http://10.0.0.5:8080/"], {}
    )
    assert found.sports_leagues == ("soccer/eng.1", "basketball/nba")
    assert found.web_search_url == "http://10.0.0.5:8080"


@pytest.mark.parametrize(
    ("argv", "environ", "said"),
    [
        (
            ["--sports-leagues", "eng.1"],
            {},
            "--sports-leagues in the flags is “eng.1”: use leagues spelled sport/league",
        ),
        (["--sports-url", "site.api.espn.com"], {}, "--sports-url in the flags is “site.api.espn.com”: use an http(s)"),
        (["--web-search-url", "http://a/?q="], {}, "use an http(s) address without a query"),
        (["--prot", "1"], {}, "--prot"),
        (["--port"], {}, "--port"),
        (["--port", "http"], {}, "--port in the flags is “http”: use a number from 0 to 65535"),
        (["--port", "٣"], {}, "--port"),
        ([], {"GROUNDCHAT_PROT": "1"}, "did you mean GROUNDCHAT_PORT?"),
        ([], {"GROUNDCHAT_port": "1"}, "GROUNDCHAT_port"),
        ([], {"GROUNDCHAT_SHARE": "maybe"}, "GROUNDCHAT_SHARE in the environment is “maybe”: use on or off."),
        ([], {"GROUNDCHAT_TEMPERATURE": "nan"}, "GROUNDCHAT_TEMPERATURE"),
        ([], {"GROUNDCHAT_WIKIPEDIA_URL": "file:///{language}"}, "GROUNDCHAT_WIKIPEDIA_URL"),
        ([], {"GROUNDCHAT_WIKIPEDIA_URL": "https://u:p@{language}.x.org"}, "GROUNDCHAT_WIKIPEDIA_URL"),
        ([], {"GROUNDCHAT_ENCODER_LANGUAGES": "english"}, "two-letter codes"),
        (["--users", "0"], {}, "whole number from 1 to 1000"),
        (["--device", "gpu"], {}, "use auto, cpu, cuda, mps, or one GPU by its number, like cuda:1"),
        (["--device", "cuda:"], {}, "--device"),
        (["--device", "cpu:1"], {}, "--device"),
        (["--quantisation", "2bit"], {}, "use none, 8bit or 4bit"),
        (["--max-memory", "20"], {}, "each once, like 0:20,1:20,cpu:64"),
        (["--max-memory", "0:20,0:10"], {}, "each once"),
        (["--max-memory", "00:20,0:10"], {}, "each once"),
        (["--max-memory", "0:-1"], {}, "--max-memory"),
        (["--max-memory", "0:nan"], {}, "--max-memory"),
        (["--max-memory", "disk:5"], {}, "--max-memory"),
        (["--offload-dir", " "], {}, "it is empty"),
        (["--documents-folder", " "], {}, "it is empty"),
        (["--allow-hosts", "http://wiki.example/"], {}, "use host names, each with or without a port, like"),
        (["--allow-hosts", "*"], {}, "--allow-hosts in the flags is “*”"),
        (["--allow-hosts", "user@wiki.example"], {}, "--allow-hosts"),
        (["--allow-hosts", ","], {}, "--allow-hosts"),
    ],
)
def test_a_fault_is_one_sentence_that_names_the_setting(argv: list[str], environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(argv, environ)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_a_model_lies_is_read_into_numbers() -> None:
    flags = ["--device", "cuda:01", "--max-memory", "0:20, 1:10.5,cpu:64", "--offload-dir", "off"]
    found = settings.load(flags, {"GROUNDCHAT_QUANTISATION": "8bit", "GROUNDCHAT_ADAPTER": "owner/lora"})
    assert found.device == "cuda:1"
    assert found.max_memory == ((0, 20.0), (1, 10.5), ("cpu", 64.0))
    assert found.offload_dir == Path("off")
    assert (found.quantisation, found.adapter) == ("8bit", "owner/lora")


def test_an_unknown_name_in_dotenv_is_named_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GROUNDCHAT_X=1", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"GROUNDCHAT_X in \.env"):
        settings.load([], {}, tmp_path / ".env")


def test_allowed_hosts_are_read_one_by_one() -> None:
    found = settings.load(["--allow-hosts", "Wiki.Example, 10.0.0.5:8080,[::1]:80"], {})
    assert found.allow_hosts == {"wiki.example", "10.0.0.5:8080", "[::1]:80"}


def test_a_secret_shows_itself_nowhere() -> None:
    found = settings.load([], {"GROUNDCHAT_PASSPHRASE": "open sesame"})
    assert found.passphrase == "open sesame"
    assert "sesame" not in repr(found)
    assert isinstance(found.passphrase, Secret)
    with pytest.raises(SettingsError) as caught:
        settings.load([], {"GROUNDCHAT_PASSPHRASE": "tiny"})
    assert "tiny" not in str(caught.value)


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings.load(["--help"], {})
    printed = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in printed for name in Settings.__dataclass_fields__)
