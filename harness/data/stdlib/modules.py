"""Which standard-library modules the embedded corpus documents, as tables."""

from __future__ import annotations

import sys

from harness.data.docstrings import Library

_SIDE_EFFECTS = """
    antigravity idlelib readline rlcompleter this tkinter turtle turtledemo
"""
"""Modules that open windows or a browser, print, or take over the terminal when imported."""

_PLATFORM = """
    curses fcntl grp msilib msvcrt nis nt ntpath ossaudiodev posix posixpath pty pwd resource spwd
    syslog termios tty winreg winsound
"""
"""Modules that exist on some operating systems only, or hold one system's half of `os`."""

_LEFT = """
    aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap
    nntplib pipes smtpd sndhdr sunau telnetlib uu xdrlib
"""
"""Modules that left the library in 3.12 (PEP 632, 594) or 3.13 (PEP 594); some warn on import."""

_INTERNAL = """
    genericpath nturl2path opcode pydoc_data pyexpat sre_compile sre_constants sre_parse test
"""
"""Undocumented helpers, whose public names other modules export."""

_SUBMODULES = """
    collections.abc
    concurrent.futures
    ctypes.util
    dbm.dumb
    email.charset email.contentmanager email.encoders email.errors email.generator email.header
    email.headerregistry email.iterators email.message email.mime.application email.mime.audio
    email.mime.base email.mime.image email.mime.message email.mime.multipart
    email.mime.nonmultipart email.mime.text email.parser email.policy email.utils
    html.entities html.parser
    http.client http.cookiejar http.cookies http.server
    importlib.abc importlib.machinery importlib.metadata importlib.resources
    importlib.resources.abc importlib.util
    json.decoder json.encoder
    logging.config logging.handlers
    multiprocessing.connection multiprocessing.managers multiprocessing.pool
    multiprocessing.shared_memory multiprocessing.sharedctypes
    os.path
    unittest.mock
    urllib.error urllib.parse urllib.request urllib.response urllib.robotparser
    wsgiref.handlers wsgiref.headers wsgiref.simple_server wsgiref.types wsgiref.util
    wsgiref.validate
    xml.dom xml.dom.minidom xml.dom.pulldom xml.etree.ElementInclude xml.etree.ElementTree
    xml.parsers.expat xml.sax xml.sax.handler xml.sax.saxutils xml.sax.xmlreader
    xmlrpc.client xmlrpc.server
"""

EXCLUDED = frozenset(f"{_SIDE_EFFECTS} {_PLATFORM} {_LEFT} {_INTERNAL}".split())
"""Top-level modules that are never imported for the corpus."""

SUBMODULES = tuple(_SUBMODULES.split())
"""Documented submodules; a top-level module needs no entry."""


def library() -> Library:
    """Return what the embedded corpus documents."""
    return Library(public_modules(), is_public_owner)


def public_modules() -> tuple[str, ...]:
    """Return the names of the documented modules of the running interpreter, sorted.

    Some may be missing from a given build (`sqlite3`, `lzma`); importing tells.
    """
    top_level = (n for n in sys.stdlib_module_names if not n.startswith("_"))
    return tuple(sorted({*top_level, *SUBMODULES} - EXCLUDED))


def is_public_owner(module: str) -> bool:
    """Tell whether objects that name `module` as theirs belong to it alone.

    Objects of a private (`_io`) or excluded (`pyexpat`) module belong to whoever exports them.
    """
    root = module.partition(".")[0]
    return not root.startswith("_") and root not in EXCLUDED
