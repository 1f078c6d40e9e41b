"""Ctrl-C in the middle of a call, in a process of its own."""

import os
import signal
import subprocess
import sys
import time

PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a child in the background ignores it
{setup}
print("ready", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def seconds_to_interrupt(setup, call, *, after):
    """Return how long a `call` goes on when Ctrl-C comes `after` seconds; `setup` runs before."""
    with subprocess.Popen(
        (sys.executable, "-c", PROGRAM.format(setup=setup, call=call)),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)  # into the kernels
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        return time.perf_counter() - start
