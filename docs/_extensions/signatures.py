"""Every name of `rebench` with its signature and docstring, in the order of its modules."""

from __future__ import annotations

import inspect
import re
from typing import Any

QUALIFIED = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Z])")
SECTIONS = re.compile(r"^(Args|Returns|Raises|Yields):$", re.MULTILINE)
WIDTH = 88


def reference() -> str:
    """Return a section for each public name: functions, then classes."""
    import rebench

    values = {name: getattr(rebench, name) for name in rebench.__all__}
    functions = [_section(name, value) for name, value in values.items() if not _is_class(value)]
    classes = [_section(name, value) for name, value in values.items() if _is_class(value)]
    return "\n\n".join([*sorted(functions), *sorted(classes)])


def _is_class(value: Any) -> bool:
    return inspect.isclass(value)


def _section(name: str, value: Any) -> str:
    parts = [f"### rebench.{name}"]
    if not (_is_class(value) and issubclass(value, Exception)):
        parts.append(f"```python\n{_signature(name, value)}\n```")
    parts.append(_docstring(value))
    if _is_class(value):
        parts += _methods(value)
    return "\n\n".join(part for part in parts if part)


def _methods(value: type) -> list[str]:
    """Return a line for each public method and property that the class or its bases say."""
    lines = []
    for name, member in inspect.getmembers(value):
        doc = inspect.getdoc(member)
        own = inspect.isfunction(member) or inspect.ismethod(member) or isinstance(member, property)
        if name.startswith("_") or not own or not doc:
            continue
        shown = name if isinstance(member, property) else f"{name}()"
        lines.append(f"- `{shown}`: {doc.splitlines()[0]}")
    return ["\n".join(lines)] if lines else []


def _signature(name: str, value: Any) -> str:
    """Return a signature as it is written, broken over lines where it is long."""
    signature = inspect.signature(value)
    pieces, keyword_only = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            pieces.append("*")
            keyword_only = True
        keyword_only |= parameter.kind is parameter.VAR_POSITIONAL
        pieces.append(_readable(str(parameter)))
    returned = signature.return_annotation
    arrow = "" if returned is inspect.Signature.empty else f" -> {_readable(str(returned))}"
    line = f"{name}({', '.join(pieces)}){arrow}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + f"){arrow}"


def _readable(text: str) -> str:
    """Return an annotation without quotes and modules."""
    return QUALIFIED.sub("", re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)).strip("'")


def _docstring(value: Any) -> str:
    """Return a docstring as Markdown; sections of arguments become lists."""
    text = inspect.getdoc(value) or ""
    lines, section = [], False
    for line in text.splitlines():
        if SECTIONS.match(line):
            lines += [f"**{line.rstrip(':')}**", ""]
            section = True
        elif section and re.match(r"    \w[\w, ]*:", line):
            key, _, rest = line.strip().partition(":")
            lines.append(f"- `{key}`:{rest}")
        else:
            lines.append(f"  {line.strip()}" if section and line.strip() else line)
    return "\n".join(lines)
