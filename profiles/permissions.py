"""What a profile's tools may do without a question."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum


class Permission(StrEnum):
    """From the strictest to the widest."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"

    def is_wider_than(self, other: Permission) -> bool:
        order = list(Permission)
        return order.index(self) > order.index(other)


@dataclass(frozen=True, slots=True)
class Permissions:
    """One answer for each kind of thing that a tool can do.

    Args:
        read: Files within the working folder.
        write: Files within the working folder.
        run: Programs.
    """

    read: Permission = Permission.ALLOW
    write: Permission = Permission.ASK
    run: Permission = Permission.ASK

    def wider_than(self, other: Permissions) -> tuple[str, ...]:
        """Names of the permissions that allow more than those of `other`."""
        return tuple(
            item.name
            for item in fields(self)
            if getattr(self, item.name).is_wider_than(getattr(other, item.name))
        )

    def at_most(self, other: Permissions) -> Permissions:
        """These permissions, none of them wider than in `other`."""
        return replace(self, **{name: getattr(other, name) for name in self.wider_than(other)})
