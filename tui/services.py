"""What the app works with: profiles, store and models. Opened after the first paint."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from conversation.store import Store
from engines.base import Engine
from engines.pool import EnginePool
from engines.registry import create_for
from engines.types import LoadRequest
from profiles.loader import ProfileCatalog, load_profiles
from profiles.schema import Profile
from tui.options import AppOptions, starting_profile, with_profile
from tui.paths import AppPaths

MEMORY_SHARE = 0.7
CLOSE_TIMEOUT_S = 2.0


@dataclass(slots=True)
class Services:
    """The parts every screen shares.

    Args:
        profile: The one to start with.
        cache: Folder for what was measured on this machine.
        notices: What the user should know about opening them.
        memory_bandwidth_bytes_per_s: None until `read_bandwidth` has found it.
        plain_decode_tps: Decode speed without drafting, by model and quantization, of this process.
    """

    catalog: ProfileCatalog
    store: Store
    pool: EnginePool
    profile: Profile
    cache: Path
    notices: tuple[str, ...] = ()
    memory_bandwidth_bytes_per_s: float | None = None
    plain_decode_tps: dict[str, float] = field(default_factory=dict)

    def profile_title(self, name: str) -> str:
        """What the app calls the profile; its name where it is no longer there."""
        profile = self.catalog.profiles.get(name)
        return profile.title if profile else name

    def profile_for(self, conversation_id: str | None, otherwise: Profile) -> Profile:
        """The profile a conversation was held with last, whose KV cache may still be there."""
        if conversation_id is None:
            return otherwise
        return self.catalog.profiles.get(self.store.last_profile(conversation_id), otherwise)

    def read_bandwidth(self) -> None:
        """Find this machine's memory bandwidth, on a thread of its own: it may be measured.

        The scripted engine reads no weights, so nothing is to be known for it.
        """
        if self.profile.engine == "scripted":
            return

        def read() -> None:
            from engines.hardware import read_machine

            machine = read_machine(self.cache)
            self.memory_bandwidth_bytes_per_s = machine.memory_bandwidth_bytes_per_s

        threading.Thread(target=read, name="read-bandwidth", daemon=True).start()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Save and free everything; False if an engine is still at work."""
        ended = self.pool.close(timeout_s)
        self.store.close()
        return ended


def open_services(
    options: AppOptions,
    paths: AppPaths,
    create: Callable[[LoadRequest], Engine] | None = None,
    catalog: ProfileCatalog | None = None,
    keeps_caches: bool = True,
) -> Services:
    """Read the profiles and open the store; no model is loaded yet.

    Args:
        create: Makes the engines; tests pass their own.
        keeps_caches: False leaves no KV cache on disk.

    Raises:
        ProfileError: the profile asked for is broken or does not exist.
        StoreError: the database cannot be used and cannot be set aside.
    """
    catalog = catalog or load_profiles(paths.profiles)
    profile = starting_profile(options, catalog)
    create_keeping = partial(create_for, kv_folder=paths.kv if keeps_caches else None)
    store = Store(paths.database)
    broken = tuple(f"{error.message} {error.hint}" for error in catalog.errors.values())
    return Services(
        catalog=with_profile(catalog, profile),
        store=store,
        pool=EnginePool(memory_budget_bytes(), create or create_keeping),
        profile=profile,
        cache=paths.cache,
        notices=broken,
    )


def memory_budget_bytes() -> int:
    """Most of this machine's memory: what loaded models may take together."""
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(MEMORY_SHARE * physical_bytes)
