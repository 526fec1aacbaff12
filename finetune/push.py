"""A model's folder onto the Hugging Face Hub, with the token of the environment or of `hf auth login`.

    push(Path("support-bot-merged"), "owner/support-bot", private=True)

What was uploaded before a break is not uploaded again: give the same command with `update`. Every known way to fail is
one sentence.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path

from errors import InputError
from finetune.run_card import named

logger = logging.getLogger(__name__)

_NAMING = {"config.json": "_name_or_path", "adapter_config.json": "base_model_name_or_path"}
"""Files that say which model this was made from, and under which key: of a folder only its name goes out."""
_LEFT_HERE = ["checkpoints/**", "tensorboard/**", "run.json", ".*", "**/.*", "*.new", "*.unfinished"]
"""What belongs to the training, not to the model. run.json names places on this machine; the card says the rest."""
_SAYS = "Upload the model"


def push(folder: Path, repository: str, *, private: bool = False, update: bool = False) -> str:
    """Upload the files of `folder`; returns the address of its page.

    A repository that is there already is refused unless `update`. Raises `InputError`.
    """
    import httpx2
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if get_token() is None:
        raise InputError(
            f"“{repository}” cannot be pushed without an access token; log in with `hf auth login`, or set HF_TOKEN.",
            zh=f"没有访问令牌，无法推送“{repository}”；请用 `hf auth login` 登录，或设置 HF_TOKEN。",
        )
    api = HfApi()
    try:
        page = api.create_repo(repository, private=private, exist_ok=update)
        renamed = _renamed(folder)
        api.upload_folder(
            repo_id=page.repo_id, folder_path=folder, commit_message=_SAYS, ignore_patterns=[*_LEFT_HERE, *renamed]
        )
        for name, content in renamed.items():
            api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=page.repo_id, commit_message=_SAYS)
    except HFValidationError as error:
        raise InputError(
            f"“{repository}” is no name on the hub; give one like owner/name.",
            zh=f"“{repository}”不是有效的名称；请给出形如 owner/name 的名称。",
        ) from error
    except HfHubHTTPError as error:
        raise _refused(repository, error, error.response.status_code) from error
    except ValueError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip(" -.")
        raise InputError(
            f"The hub does not take the files for “{repository}” ({reason}); mend that, then give the same command "
            "with --update.",
            zh=f"Hugging Face 不接受“{repository}”的文件（{reason}）；请更正后用同样的命令加 --update 再试。",
        ) from error
    except (httpx2.HTTPError, OSError, RuntimeError) as error:  # RuntimeError: a file's own upload, and Xet
        if isinstance(cause := error.__cause__, HfHubHTTPError):
            raise _refused(repository, cause, cause.response.status_code) from error
        logger.warning("Pushing %s failed (%s): %s", repository, type(error).__name__, error)
        raise InputError(
            f"“{repository}” could not be pushed to the end ({type(error).__name__}); check the network, then give the "
            "same command with --update: what is there already is kept.",
            zh=f"“{repository}”没有推送完整（{type(error).__name__}）；请检查网络，再用同样的命令加 --update："
            "已上传的部分会保留。",
        ) from error
    return str(page)


def _renamed(folder: Path) -> dict[str, bytes]:
    """The files that name a folder of this machine, with its last part in its place."""
    found = {}
    for name, key in _NAMING.items():
        with suppress(OSError, ValueError):
            said = json.loads((folder / name).read_text(encoding="utf-8"))
            base = str(said.get(key) or "")
            if named(base) != base:
                found[name] = json.dumps(said | {key: named(base)}, indent=2, ensure_ascii=False).encode()
    return found


def _refused(repository: str, error: Exception, status: int) -> InputError:
    logger.warning("Pushing %s was refused: %s", repository, error)
    owner = repository.rpartition("/")[0] or "this account"
    sentences = {
        401: (
            f"The hub does not accept the access token, so “{repository}” was not pushed; log in again with "
            "`hf auth login`, or mend HF_TOKEN.",
            f"Hugging Face 不接受访问令牌，“{repository}”未推送；请用 `hf auth login` 重新登录，或更正 HF_TOKEN。",
        ),
        403: (
            f"The access token may not write to “{repository}”; use one with the right to write for {owner}.",
            f"该访问令牌无权写入“{repository}”；请使用对 {owner} 有写权限的令牌。",
        ),
        409: (
            f"“{repository}” is there already; choose another name, or add --update to upload over it.",
            f"“{repository}”已存在；请换一个名称，或加 --update 覆盖上传。",
        ),
    }
    english, chinese = sentences.get(
        status,
        (
            f"The hub refused “{repository}” ({status}); try again later with --update.",
            f"Hugging Face 拒绝了“{repository}”（{status}）；请稍后加 --update 再试。",
        ),
    )
    return InputError(english, zh=chinese)
