"""A plan as people read it, on a terminal and in a notebook, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape as html_escape
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from loadcore_aws.stack import find
from loadcore_aws.stack.names import format_time
from loadcore_aws.stack.resource import Ref

if TYPE_CHECKING:
    from loadcore_aws.stack.plan import Change, Plan, Reason
    from loadcore_aws.stack.resource import Found

VALUE_CHARS_MAX = 60
VEILED = ("environment", "plan.environment")
NOT_SHOWN, CHANGED = "(not shown)", "(changed, not shown)"
SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-"}
STYLES = {"create": "green", "update": "yellow", "replace": "magenta", "delete": "red"}
WORDS = {
    "create": "to create",
    "update": "to change",
    "replace": "to replace",
    "delete": "to remove",
    "keep": "to keep as they are",
}


def plan_lines(plan: Plan) -> Iterator[str]:
    """In rich's markup; what stays as it is is only counted."""
    yield from _heading(plan)
    for change in plan.changes:
        yield from _change_lines(change)
    yield ""
    yield f"[bold]{_summary(plan)}[/]"


def plain(plan: Plan) -> str:
    return "\n".join(Text.from_markup(line).plain for line in plan_lines(plan))


def html(plan: Plan) -> str:
    """A table of what is to happen; what stays as it is is only counted."""
    rows = []
    for change in plan.changes:
        why = [Text.from_markup(line).plain.strip() for line in _change_lines(change)]
        if not why:
            continue
        if change.action in SIGNS:
            del why[0]
        sign = SIGNS.get(change.action, "")
        cells = (sign, change.address, "\n".join(why))
        style = "text-align:left;white-space:pre-wrap"
        row = "".join(f'<td style="{style}">{html_escape(cell)}</td>' for cell in cells)
        rows.append(f"<tr>{row}</tr>")
    owner = plan.owner
    title = f"Stack {owner.stack} in {owner.region}, account {owner.account}: {_summary(plan)}"
    return f"<table><caption>{html_escape(title)}</caption>{''.join(rows)}</table>"


def _summary(plan: Plan) -> str:
    counted = counts(plan)
    said = [f"{counted[action]} {words}" for action, words in WORDS.items() if counted[action]]
    return ", ".join(said) or "nothing is asked for"


def _heading(plan: Plan) -> Iterator[str]:
    owner = plan.owner
    end = f", until {format_time(plan.expires)}" if plan.expires else ""
    yield f"[bold]Stack {owner.stack}[/] in {owner.region}, account {owner.account}{end}"
    yield ""


def _change_lines(change: Change) -> Iterator[str]:
    if change.action in SIGNS:
        sign = f"{SIGNS[change.action]:>3}"
        yield f"[{STYLES[change.action]}]{sign} {escape(change.address)}[/]"
    for reason in change.reasons:
        forces = ""
        if change.action == "replace" and change.wanted is not None:
            fixed = reason.setting in find.kind_of(change.wanted).fixed
            forces = "  (cannot be changed in place)" if fixed else ""
        for setting, had, wanted in parts(reason.setting, *veiled(reason)):
            yield f"      {escape(f'{setting}: {text(had)} → {text(wanted)}')}{forces}"
    if change.action in ("keep", "update", "create"):
        for double in change.surplus:
            yield f"[red]  - {escape(change.address)}[/], which is there twice: {escape(double.id)}"


def veiled(reason: Reason) -> tuple[Any, Any]:
    """What there was and what is wanted, without the values in environments: secrets end up there,
    and plans in the logs of pipelines."""
    had = _veiled(reason.setting, reason.had, reason.had)
    return had, _veiled(reason.setting, reason.wanted, reason.had)


def _veiled(setting: str, value: Any, had: Any) -> Any:
    if isinstance(value, Mapping):
        before = had if isinstance(had, Mapping) else {}
        return {
            key: _veiled(f"{setting}.{key}", part, before.get(key)) for key, part in value.items()
        }
    if value is None or not setting.startswith(VEILED):
        return value
    return NOT_SHOWN if had is None or value == had else CHANGED


def parts(setting: str, had: Any, wanted: Any) -> Iterator[tuple[str, Any, Any]]:
    """The settings within a table that differ, one by one; anything else as it is."""
    if not (isinstance(had, Mapping) and isinstance(wanted, Mapping)):
        yield setting, had, wanted
        return
    for key in sorted(had.keys() | wanted.keys(), key=str):
        if had.get(key) != wanted.get(key):
            yield from parts(f"{setting}.{key}", had.get(key), wanted.get(key))


def text(value: Any) -> str:
    """Short, on one line; what is yet to be made is named by its address."""
    if value is None or value == "":
        return "none"
    plain = plain_of(value)
    shown = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    shown = " ".join(shown.split())
    return shown if len(shown) <= VALUE_CHARS_MAX else f"{shown[: VALUE_CHARS_MAX - 1]}…"


def plain_of(value: Any) -> Any:
    """For JSON: Refs are `${address.attribute}`."""
    if isinstance(value, Ref):
        return f"${{{value.address}.{value.attribute}}}"
    if isinstance(value, Mapping):
        return {str(key): plain_of(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_of(part) for part in value]
    return value


def counts(plan: Plan) -> dict[str, int]:
    return {action: sum(c.action == action for c in plan.changes) for action in WORDS}


def plan_dict(plan: Plan) -> dict[str, Any]:
    return {
        "schema": "loadcore.stack.plan/1",
        "stack": plan.owner.stack,
        "region": plan.owner.region,
        "account": plan.owner.account,
        "expires": format_time(plan.expires) if plan.expires else None,
        "counts": counts(plan),
        "changes": [_change_dict(change) for change in plan.changes],
    }


def _change_dict(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "action": change.action,
        "id": change.found.id if change.found else None,
        "reasons": [
            {"setting": reason.setting, "had": plain_of(had), "wanted": plain_of(wanted)}
            for reason in change.reasons
            for had, wanted in [veiled(reason)]
        ],
        "surplus": [double.id for double in change.surplus],
    }


def removal_lines(found: list[Found]) -> Iterator[str]:
    """What a destroy would remove; data that would be lost is said to be."""
    for each in found:
        data = "  [bold]with its data[/]" if find.kind_of(each).holds_data else ""
        yield f"[red]  - {escape(each.address)}[/]  {escape(each.id)}{data}"
    yield ""
    yield f"[bold]{len(found)} to remove[/]"
