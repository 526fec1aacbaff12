"""What a person may be shown when something goes wrong.

    AppError                 one clear sentence for the person; loses nothing
    ├── SettingsError        the start stops: a flag, variable or .env line is unknown or malformed
    ├── InputError           a message, parameter or upload cannot be used as it is
    │   └── DocumentError    a file cannot be read or indexed
    ├── SourceError          a source of passages failed; the answer goes on without it
    ├── ModelError           a chat model cannot be loaded, or failed while writing
    └── ModerationError      a text could not be checked; the policy decides (it refuses by default)

Every other exception is a bug: it is logged with its traceback and the person sees one neutral sentence.
A message names the thing, what was received and what to do. It never holds a secret. What visitors of the page can
meet is said in Chinese too.
"""


class AppError(Exception):
    """A failure whose message is written for the person using the app: `str(error)` in English, `told` in theirs."""

    def __init__(self, text: str = "", *, zh: str = "") -> None:
        super().__init__(text)
        self._zh = zh

    def told(self, language: str) -> str:
        """The sentence in this language (ISO 639-1); English where there is no other."""
        return self._zh if language == "zh" and self._zh else str(self)


class SettingsError(AppError):
    """The configuration cannot be used; the app does not start."""


class InputError(AppError):
    """What the person sent cannot be used as it is."""


class DocumentError(InputError):
    """A document cannot be read or indexed."""


class SourceError(AppError):
    """A retriever could not answer in time or at all."""


class ModelError(AppError):
    """A chat model cannot be loaded, or failed while writing."""


class ModerationError(AppError):
    """A text could not be checked."""
