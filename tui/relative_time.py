"""When something was, as people say it."""

from __future__ import annotations

from datetime import datetime

MINUTE_S, HOUR_S = 60, 3600


def relative_time(then_s: float, now_s: float) -> str:
    """`then_s` seen from `now_s`, both in seconds since the epoch, in local time."""
    then, now = datetime.fromtimestamp(then_s), datetime.fromtimestamp(now_s)
    elapsed_s = now_s - then_s
    days = (now.date() - then.date()).days
    if elapsed_s < MINUTE_S:
        return "just now"
    if elapsed_s < HOUR_S:
        return f"{int(elapsed_s // MINUTE_S)} min ago"
    if days == 0:
        return f"{int(elapsed_s // HOUR_S)} h ago"
    if days == 1:
        return f"yesterday {then:%H:%M}"
    if days < 7:
        return f"{then:%A}"
    if then.year == now.year:
        return f"{then.day} {then:%b}"
    return f"{then.day} {then:%b %Y}"
