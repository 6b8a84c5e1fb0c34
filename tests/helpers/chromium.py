"""Headless Chromium, driven over DevTools through two pipes: no driver, no port, no network."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe", "--hide-scrollbars",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120


def find_chromium() -> str | None:
    """Return the path of an installed Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser with one page; `problems` collects console errors and uncaught exceptions."""

    def __init__(self, program: str, profile: Path) -> None:
        self.problems: list[str] = []
        self._ids = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        # High numbers first, so that moving them to 3 and 4 in the child overwrites nothing.
        to_browser, self._writer = (_high(each) for each in os.pipe())
        self._reader, from_browser = (_high(each) for each in os.pipe())
        self._pid = os.posix_spawn(
            program,
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, to_browser, 3),
                (os.POSIX_SPAWN_DUP2, from_browser, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._input = os.fdopen(self._reader, "rb", buffering=0)
        self._rest = b""
        signal.signal(signal.SIGALRM, _too_slow)
        target = self._browser("Target.createTarget", url="about:blank")["targetId"]
        attached = self._browser("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _browser(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._exchange({"method": method, "params": parameters})

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one DevTools command to the page and return its result."""
        message = {"method": method, "params": parameters, "sessionId": self._session}
        return self._exchange(message)

    def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        os.write(self._writer, json.dumps({"id": number, **message}).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{message['method']}: {answer['error']}")
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        signal.alarm(SECONDS)
        while b"\0" not in self._rest:
            piece = self._input.read(1 << 16)
            if not piece:
                raise RuntimeError("Chromium has ended")
            self._rest += piece
        signal.alarm(0)
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._events.append(message)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        found = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(found["exceptionDetails"])[:500])
        elif message.get("method") == "Runtime.consoleAPICalled" and found["type"] == "error":
            self.problems.append(str(found["args"])[:500])
        elif message.get("method") == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.problems.append(str(found["entry"])[:500])

    def open(self, url: str, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Open an address at a window size and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        for address in ("about:blank", url):  # or else an address that differs after # only
            self._events.clear()  # would not load the page anew
            self.call("Page.navigate", url=address)
            while not any(each.get("method") == "Page.loadEventFired" for each in self._events):
                self._receive()

    def run(self, expression: str) -> Any:
        """Return the JSON value of a script expression."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"])[:800])
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press and release a key, such as ("Enter", 13)."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text,
            )  # fmt: skip

    def move(self, selector: str) -> None:
        """Point the mouse at the middle of the first element that fits."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is shown, or of the whole page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """End the browser with all the processes of its group."""
        os.close(self._writer)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._input.close()


def _high(descriptor: int) -> int:
    """Move a descriptor out of the way of 3 and 4; it is not handed down by itself."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return moved


def _too_slow(number: int, frame: object) -> None:
    raise TimeoutError(f"Chromium did not answer in {SECONDS} seconds")
