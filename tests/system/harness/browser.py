"""A headless Chromium, spoken to over a pair of pipes (the DevTools protocol:
https://chromedevtools.github.io/devtools-protocol/)."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

from harness.process import make_folder


class Browser:
    """One page in a browser of its own."""

    def __init__(self, width=1400, height=1500, dark=False):
        self.folder = make_folder("pgripple-browser-")
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        self._number = 0
        self._left = b""
        self.faults = []                        # of scripts, and refusals

        # It reads descriptor 3 and writes to 4.
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"', "bash",
             str(to_browser), str(from_browser), "chromium", "--headless=new",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-extensions", "--mute-audio",
             "--disable-background-networking", "--disable-component-update",
             f"--user-data-dir={self.folder}", "--remote-debugging-pipe",
             f"--window-size={width},{height}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, pass_fds=[to_browser, from_browser],
            start_new_session=True,
            env={**os.environ, "HOME": self.folder})
        os.close(to_browser)
        os.close(from_browser)
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(p for p in pages if p["type"] == "page")
        self._session = None
        self._session = self.call(
            "Target.attachToTarget", targetId=page["targetId"],
            flatten=True)["sessionId"]
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if dark else "light"}])

    _session = None

    def call(self, method, timeout=60, **params):
        """One call, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._next(deadline)
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _next(self, deadline):
        while b"\0" not in self._left:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._from], [], [], max(left, 0))
            assert ready, "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser ended"
            self._left += piece
        text, _, self._left = self._left.partition(b"\0")
        message = json.loads(text)
        self._note(message)
        return message

    def _note(self, message):
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(params["exceptionDetails"]))
        elif (message.get("method") == "Log.entryAdded"
              and params["entry"]["level"] == "error"):
            self.faults.append(json.dumps(params["entry"]))

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=script,
                           returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def picture(self, path):
        """A PNG of what can be seen."""
        shot = self.call("Page.captureScreenshot", format="png")
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self.folder, ignore_errors=True)
