"""Which user a guest runs as: one of its own, the configured one, or the one its label names.

The rule kept here: never root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain

UID_COUNT = 1_000_000


def guest_user(domain: Domain, host: Host, number: int) -> tuple[int | None, int | None]:
    """(uid, gid); None for the daemon's own user, when that is an ordinary one."""
    if not host.privileged:
        return None, None
    for label in domain.seclabels:
        if label.model == "dac" and label.type == "static" and label.label is not None:
            named = user_of(label.label)
            if named is not None:
                return named
    if host.user is not None:
        return host.user
    own = host.first_uid + number % UID_COUNT
    return own, own


def user_of(label: str) -> tuple[int, int] | None:
    """The user and group of a DAC label, `+107:+107` or `user:group`; None for root or nobody."""
    import grp
    import pwd

    user, colon, group = label.partition(":")
    try:
        uid = int(user) if user.lstrip("+").isdecimal() else pwd.getpwnam(user).pw_uid
        gid = int(group) if group.lstrip("+").isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        return None
    return (uid, gid) if colon and uid > 0 and gid > 0 else None
