"""Runs a command and says what it cost: python3 measured.py LIMIT_SECONDS COMMAND ...

The last line of stdout is JSON: exit code, CPU seconds (user and system, of children too), peak memory in bytes.
"""

import json
import os
import signal
import subprocess
import sys

limit = float(sys.argv[1])
child = subprocess.Popen(sys.argv[2:], stdout=sys.stderr, start_new_session=True)


def stop(*_):
    os.killpg(child.pid, signal.SIGKILL)


signal.signal(signal.SIGALRM, stop)
signal.signal(signal.SIGTERM, stop)
signal.setitimer(signal.ITIMER_REAL, limit)
_, status, usage = os.wait4(child.pid, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "cpuSeconds": usage.ru_utime + usage.ru_stime, "peakBytes": usage.ru_maxrss * 1024}))
