"""A name for whoever runs this process, also where the system knows none: DVC cannot work without."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The user's name; "uid-1000" in a container whose user id has no entry in /etc/passwd."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def ensure_user_name() -> None:
    """Put a name into the environment where there is none; called before each use of DVC.

    DVC asks `getpass.getuser()` for the name of its cache and fails with a KeyError where neither LOGNAME nor
    USER is set and the user id has no entry in /etc/passwd, as on OpenShift, which gives pods a random id.
    """
    os.environ.setdefault("USER", user_name())
