"""Waiting for something to become true. Nobody sleeps a fixed time."""

import time


def wait_until(condition, timeout=30.0, what="the condition"):
    """Poll until condition() is true and return its value.

    The pause between polls grows from 1 ms to 50 ms: quick where the answer
    is near, cheap where it is not.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
