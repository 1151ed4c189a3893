"""Where the app keeps its files on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

APP_NAME = "llm-tui"
DATABASE_NAME = "llm-tui.db"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The platform's folders for this app.

    Args:
        config: `config.toml` and `profiles/`.
        data: The database.
        cache: Parked KV caches.
        state: Log and prompt history.
    """

    config: Path
    data: Path
    cache: Path
    state: Path

    @property
    def profiles(self) -> Path:
        return self.config / "profiles"

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def trusted_folders(self) -> Path:
        """Projects whose profiles the user vouches for."""
        return self.state / "trusted-folders.json"

    @property
    def database(self) -> Path:
        return self.data / DATABASE_NAME

    @property
    def kv(self) -> Path:
        """Parked KV caches."""
        return self.cache / "kv"

    @property
    def log(self) -> Path:
        return self.state / "llm-tui.log"

    @property
    def first_steps_done(self) -> Path:
        """There once the choices of the first start need not be offered any more."""
        return self.state / "first-steps-done"

    @property
    def history(self) -> Path:
        return self.state / "history"


def app_paths() -> AppPaths:
    """The folders platformdirs names; none of them is created here."""
    from platformdirs import PlatformDirs

    folders = PlatformDirs(APP_NAME, appauthor=False)
    return AppPaths(
        config=folders.user_config_path,
        data=folders.user_data_path,
        cache=folders.user_cache_path,
        state=folders.user_state_path,
    )
