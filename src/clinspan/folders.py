"""Where clinspan keeps what it has fetched or built, outside the user's own folders."""

import os
from pathlib import Path

from platformdirs import user_cache_path

CACHE_VARIABLE = "CLINSPAN_CACHE"


def cache_folder() -> Path:
    """The folder named by the environment variable CLINSPAN_CACHE, else the platform's cache folder for clinspan.

    It may not exist yet: who writes into it makes it.
    """
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("clinspan", appauthor=False)
