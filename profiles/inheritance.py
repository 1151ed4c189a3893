"""From what each file says to profiles: `extends`, and the layers."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from profiles.errors import ProfileError
from profiles.layers import Layer, ProfileSource, Sources
from profiles.reading import Settings, build_profile, merged
from profiles.restrictions import restricted
from profiles.schema import Profile

TRUST_HINT = "Look at the file, then: llm-tui profiles trust"


def resolve_profile(source: ProfileSource, layers: Sequence[Sources]) -> Profile:
    """The profile of `source`, with everything it extends.

    Args:
        layers: From the lowest to the highest.

    Raises:
        ProfileError: the file or one that it extends is broken, missing, or extends itself.
    """
    chain = _chain(source, layers)
    settings = _merged(chain)
    ignored = tuple(dict.fromkeys(key for item in chain for key in item.ignored))
    try:
        profile = build_profile(
            source.name, settings, source.origin, layer=source.layer.value, ignored=ignored
        )
    except ProfileError as error:
        if error.key == "model" and "model" in ignored:
            message = "is a file, and the folder is not trusted"
            raise source.error(message, TRUST_HINT, "model") from error
        raise source.error(error.reason, error.hint, error.key) from error
    if any(not item.is_trusted for item in chain):
        trusted = [item for item in chain if item.is_trusted]
        profile = restricted(profile, _merged(trusted).get("tools"))
    return profile


def _chain(source: ProfileSource, layers: Sequence[Sources]) -> list[ProfileSource]:
    """`source`, what it extends, what that extends, and so on."""
    chain: list[ProfileSource] = []
    current: ProfileSource | None = source
    while current is not None:
        if current in chain:
            names = " → ".join(item.name for item in (*chain, current))
            message = f"goes round in a circle: {names}"
            hint = "Let one of them extend nothing."
            raise source.error(message, hint, "extends")
        chain.append(current)
        if current.errors:
            raise _broken(source, current)
        current = _parent(current, layers)
    return chain


def _parent(source: ProfileSource, layers: Sequence[Sources]) -> ProfileSource | None:
    """What `source` extends: in its own layer, else in those below.

    Never above: a user's profile means the same in every folder. Its own name means the layers
    below.
    """
    wanted = source.settings.get("extends")
    if wanted is None:
        return None
    own = list(Layer).index(source.layer)
    below = own if wanted == source.name else own + 1
    for sources in reversed(layers[:below]):
        if wanted in sources:
            return sources[wanted]
    known = list(dict.fromkeys(name for sources in layers[:below] for name in sources))
    near = difflib.get_close_matches(wanted, [name for name in known if name != wanted], n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Choose one of: {', '.join(known)}."
    raise source.error(f"names {wanted}, and there is no such profile", hint, "extends")


def _broken(source: ProfileSource, broken: ProfileSource) -> ProfileError:
    first, *others = broken.errors
    if broken is source:
        first.others = tuple(others)
        return first
    message = f"names {broken.name}, which is broken: {first.message}"
    return source.error(message, first.hint, "extends")


def _merged(chain: Sequence[ProfileSource]) -> Settings:
    """The settings of a chain, which begins with the highest; a title is for one name only."""
    settings: Settings = {}
    name = ""
    for item in reversed(chain):
        if item.name != name:
            settings.pop("title", None)
        settings = merged(settings, item.settings)
        name = item.name
    settings.pop("extends", None)
    return settings
