"""Runs a command and says what it cost: python3 -I -S measured.py LIMIT_SECONDS COMMAND ...

The limit is of CPU, so that a busy machine does not stop what a quiet one would let end; what does nothing is stopped too, later.
The last line of stdout is JSON: exit code, CPU seconds (user and system, of children too), peak memory in bytes. The kernel counts
the memory of this process before the command replaces it, about 7 MB, so less than that cannot be told.
"""

import json
import os
import resource
import signal
import sys

limit = int(sys.argv[1])
# subprocess would not copy this process but share it, and count twice as much.
child = os.fork()
if child == 0:
    os.setsid()
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    os.execvp(sys.argv[2], sys.argv[2:])


def stop(*_):
    os.killpg(child, signal.SIGKILL)


signal.signal(signal.SIGALRM, stop)
signal.signal(signal.SIGTERM, stop)
signal.setitimer(signal.ITIMER_REAL, limit * 20)
_, status, usage = os.wait4(child, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "cpuSeconds": usage.ru_utime + usage.ru_stime, "peakBytes": usage.ru_maxrss * 1024}))
