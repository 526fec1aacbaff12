"""Files and folders of this machine, by names that may be a hub id or anything else a person typed."""

from __future__ import annotations

from pathlib import Path


def there(name: str) -> Path | None:
    """What is at the path `name`, `~` said out; None where nothing is, or no path can be so called."""
    try:
        path = Path(name).expanduser()
        return path if name.strip() and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, the home of nobody, a NUL in it
        return None


def folder(name: str) -> Path | None:
    """The folder that is named so; None as for `there`."""
    path = there(name)
    return path if path is not None and path.is_dir() else None
