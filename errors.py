"""What a person may be shown when something goes wrong.

    AppError                 one clear sentence for the person; loses nothing
    ├── SettingsError        the start stops: a flag, variable or .env line is unknown or malformed
    ├── InputError           a message, parameter or upload cannot be used as it is
    │   └── DocumentError    a file cannot be read or indexed
    ├── SourceError          a source of passages failed; the answer goes on without it
    ├── ModelError           a chat model cannot be loaded, or failed while writing
    └── ModerationError      a text could not be checked; the policy decides (it refuses by default)

Every other exception is a bug: it is logged with its traceback and the person sees one neutral sentence.
A message names the thing, what was received and what to do. It never holds a secret.
"""


class AppError(Exception):
    """A failure whose message is written for the person using the app."""


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
