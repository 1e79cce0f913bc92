"""Who runs this process, also where the system does not know: DVC cannot work without a name and a home."""

from __future__ import annotations

import os

from autonad.locks import user_name


def ensure_user() -> None:
    """Put the user's name and home into the environment where there are none; called before each use of DVC.

    DVC asks `getpass.getuser()` for the name of its cache and fails with a KeyError where neither LOGNAME nor
    USER is set and the user id has no entry in /etc/passwd, as on OpenShift, which gives pods a random id.
    It also looks for its settings in the home folder; containers without one use "/".
    """
    os.environ.setdefault("USER", user_name())
    if not os.path.isabs(os.path.expanduser("~")):
        os.environ["HOME"] = "/"
