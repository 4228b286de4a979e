"""Runs a command and writes what it used.

    throughput_child.py USED.json LOG COMMAND...

A process of its own, and a small one: the peak memory that the kernel reports of a child includes
the memory of the process it was forked from.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Runs it; ends with its exit status."""
    used, log, *command = sys.argv[1:]
    start = time.perf_counter()
    with Path(log).open("w") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    result = {
        "wall": time.perf_counter() - start,
        "processor": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,  # of the largest process among it and its descendants
    }
    Path(used).write_text(json.dumps(result))
    sys.exit(os.waitstatus_to_exitcode(status) % 256)


if __name__ == "__main__":
    main()
