"""What loadcore likes says to people: lines out of the core's reports."""

from __future__ import annotations

from typing import Any

from loadcore._units import bytes_text

Report = dict[str, Any]

RANGES_SHOWN_MAX = 10


def checked(directory: str, report: Report) -> list[str]:
    damage = report["damage"]
    if not damage:
        lines = [f"{directory} is sound: {holdings(report['holds'])}"]
        return lines + _files(report)
    lines = [f"{directory} is damaged", *_files(report), *_damage(report)]
    if report["holds"] is None:
        lines.append("the service refuses to start with it")
    else:
        lines.append(
            f"the service starts with it all the same ({holdings(report['holds'])}): the damage is"
            " in what is kept for an audit"
        )
    lines.append(f"'loadcore likes repair {directory}' would keep {_kept(report['repair'])}")
    return lines


def repaired(directory: str, report: Report, *, dry_run: bool) -> list[str]:
    if not report["damage"]:
        return [f"{directory} is sound, nothing was changed: {holdings(report['holds'])}"]
    would = "would be " if dry_run else ""
    lines = [
        f"{directory} is damaged; nothing was changed" if dry_run else f"{directory} is repaired",
        *_damage(report),
        f"{would}kept: {_kept(report['repair'])}",
        f"{would}written: {report['snapshot']}, with a new log behind it",
    ]
    return lines + [f"{would}renamed: {old} to {new}" for old, new in report["renamed"]]


def audited(directory: str, report: Report) -> list[str]:
    held = holdings(report["holds"])
    if not report["recounted"]:
        return [f"{directory}: {held}; nothing to hold it against: {report['why_not']}"]
    begin = f"{report['base']} on" if report["base"] else "the first frame on"
    recount = (
        f"recounted from {begin}: {_number(report['frames'], 'frame')}, sequences"
        f" {report['first_sequence']} to {report['last_sequence']}"
    )
    lines = [recount]
    if report["keys_older"]:
        older = _number(report["keys_older"], "older key")
        lines.append(f"{older} of the recount had been forgotten before, to make room")
    if not report["differences"]:
        return [f"{directory} agrees with its log: {held}", *lines]
    lines.insert(
        0,
        f"{directory} does not agree with its log: {_number(report['differences'], 'difference')}",
    )
    for what, kept, recounted in report["first_differences"]:
        lines.append(f"{what}: {kept} with {report['newest']}, {recounted} recounted")
    more = report["differences"] - len(report["first_differences"])
    return [*lines, f"and {more:,} more"] if more else lines


def imported(directory: str, source: str, report: Report) -> list[str]:
    lines = f"{_number(report['users'], 'line')} with {_number(report['likes'], 'like')}"
    return [f"{source}: {lines} added to {directory}, which now has {holdings(report['holds'])}"]


def holdings(holds: Report) -> str:
    said = f"{_number(holds['users'], 'user')} with {_number(holds['likes'], 'like')}"
    return f"{said} and {_number(holds['keys'], 'key')}" if "keys" in holds else said


def _files(report: Report) -> list[str]:
    lines = []
    for snapshot in report["snapshots"]:
        what = f"up to frame {snapshot['sequence']}, {holdings(snapshot['holds'])}"
        if snapshot["rebased"]:
            what += ", written by an import or a repair"
        lines.append(_file(snapshot, what))
    for segment in report["segments"]:
        what = "no frames"
        if segment["frames"]:
            what = f"frames {segment['first_sequence']} to {segment['next_sequence'] - 1}"
        if segment["torn_bytes"]:
            torn = _number(segment["torn_bytes"], "byte")
            what += (
                f", then {torn} of a batch that nobody was told of, which the service cuts off"
                " when it starts"
            )
        lines.append(_file(segment, what))
    return lines


def _file(file: Report, what: str) -> str:
    begin = "" if file["whole"] else "before the first damage "
    return f"  {file['file']}  {bytes_text(file['bytes'])}  {begin}{what}"


def _damage(report: Report) -> list[str]:
    return [
        f"damaged: {at['file']} at byte {at['offset']}: {at['what']}" for at in report["damage"]
    ]


def _kept(kept: Report) -> str:
    keeps = holdings(kept["keeps"])
    if kept["exact"]:
        return f"all of it, {keeps}: nothing is lost"
    lost = [keeps]
    if kept["missing"]:
        lost.append(
            f"{_number(kept['frames_missing'], 'frame')} ({_ranges(kept['missing'])}) cannot be"
            f" read: {_number(kept['users_short'], 'user')} of these may lack likes, and keys in"
            " those frames are forgotten, so that a retry with one is counted again"
        )
    if kept["rebased_missing"]:
        names = " and ".join(kept["rebased_missing"])
        lost.append(f"what an import or a repair put into {names} and nowhere else may be gone")
    if kept["users_gone_max"]:
        gone = _number(kept["users_gone_max"], "user")
        lost.append(f"up to {gone} of {kept['snapshots'][0]} may be gone altogether")
    if kept["left_out"]:
        lost.append(f"{_number(kept['left_out'], 'addition')} beyond 2^63 - 1 left out")
    lost.append("no count is too high")
    return "; ".join(lost)


def _ranges(missing: list[tuple[int, int]]) -> str:
    shown = [
        str(first) if first == last else f"{first} to {last}"
        for first, last in missing[:RANGES_SHOWN_MAX]
    ]
    if len(missing) > RANGES_SHOWN_MAX:
        shown.append(f"and {len(missing) - RANGES_SHOWN_MAX} more gaps")
    return ", ".join(shown)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
