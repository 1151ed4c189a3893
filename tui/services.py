"""What the app works with: profiles, store and models. Opened after the first paint."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from conversation.measurements import Measurements
from conversation.store import Store
from engines.base import Engine
from engines.pool import EnginePool
from engines.registry import create_for
from engines.types import LoadRequest
from profiles.errors import ProfileError
from profiles.loader import ProfileCatalog
from profiles.schema import Profile
from tui.config import start_profile
from tui.options import AppOptions, starting_profile, with_model, with_profile
from tui.paths import AppPaths
from tui.profile_folders import load_catalog, restriction_text

MEMORY_SHARE = 0.7
CLOSE_TIMEOUT_S = 2.0


@dataclass(slots=True)
class Services:
    """The parts every screen shares.

    Args:
        profile: The one to start with.
        load_catalog: Reads the profiles from disk once more; None where they did not come from
            there.
        options: What the command line asked for, which holds over the profiles.
        cache: Folder for what was measured on this machine.
        notices: What the user should know about opening them.
        memory_bandwidth_bytes_per_s: None until `read_bandwidth` has found it.
        measurements: Of earlier turns; None for those of `store`.
        plain_decode_tps: Decode speed without drafting, by model and quantization, of this process.
        chosen_models: Models in place of those of profiles, by the profile's name.
    """

    catalog: ProfileCatalog
    store: Store
    pool: EnginePool
    profile: Profile
    cache: Path
    load_catalog: Callable[[], ProfileCatalog] | None = None
    options: AppOptions = field(default_factory=AppOptions)
    notices: tuple[str, ...] = ()
    memory_bandwidth_bytes_per_s: float | None = None
    plain_decode_tps: dict[str, float] = field(default_factory=dict)
    measurements: Measurements | None = None
    chosen_models: dict[str, str] = field(default_factory=dict)

    def profile_title(self, name: str) -> str:
        """What the app calls the profile; its name where it is no longer there."""
        profile = self.catalog.profiles.get(name)
        return profile.title if profile else name

    def read_profiles(self) -> list[ProfileError]:
        """Take over what changed on disk; the errors that were not there before.

        A profile that broke stays as it was, and the command line's options still hold.
        """
        if self.load_catalog is None:
            return []
        before = self.catalog
        catalog = self.load_catalog()
        known = {error.message for error in before.errors.values()}
        catalog = catalog.keeping(before)
        with suppress(ProfileError):  # the profile that was asked for may be gone
            if self.options.names_profile:
                profile = starting_profile(self.options, catalog, self.profile.name)
                catalog = with_profile(catalog, profile)
        self.catalog = self._with_chosen_models(catalog)
        return [error for error in catalog.errors.values() if error.message not in known]

    def use_model(self, profile: Profile, model: str) -> Profile:
        """`profile` with another model, which it has until the program ends, as by `--model`."""
        self.chosen_models[profile.name] = model
        chosen = with_model(profile, model)
        self.catalog = with_profile(self.catalog, chosen)
        return chosen

    def profile_for(self, conversation_id: str | None, otherwise: Profile) -> Profile:
        """The profile a conversation was held with last, whose KV cache may still be there."""
        if conversation_id is None:
            return otherwise
        return self.catalog.profiles.get(self.store.last_profile(conversation_id), otherwise)

    def _with_chosen_models(self, catalog: ProfileCatalog) -> ProfileCatalog:
        for name, model in self.chosen_models.items():
            if name in catalog.profiles:
                profile = with_model(catalog.profiles[name], model)
                catalog = with_profile(catalog, profile)
        return catalog

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
    reload = None if catalog else partial(load_catalog, paths)
    catalog = catalog or load_catalog(paths)
    preferred, notices = start_profile(paths.config_file, catalog)
    profile = starting_profile(options, catalog, preferred)
    create_keeping = partial(create_for, kv_folder=paths.kv if keeps_caches else None)
    store = Store(paths.database)
    notices += [f"{error.message} {error.hint}" for error in catalog.errors.values()]
    notices += [restriction_text(catalog)] if catalog.restricted else []
    return Services(
        catalog=with_profile(catalog, profile),
        store=store,
        pool=EnginePool(memory_budget_bytes(), create or create_keeping),
        profile=profile,
        cache=paths.cache,
        load_catalog=reload,
        options=options,
        notices=tuple(notices),
        measurements=Measurements(store.path, store.writer),
    )


def memory_budget_bytes() -> int:
    """Most of this machine's memory: what loaded models may take together."""
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(MEMORY_SHARE * physical_bytes)
