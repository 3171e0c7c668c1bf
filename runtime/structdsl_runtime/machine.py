"""What this machine gives a run: memory, processors, and the versions of what is installed.

None of it enters a key: the same step on a larger machine is the same step.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import sys
from functools import cache
from importlib import util
from pathlib import Path

SHARE = 0.6  # of the memory goes to DuckDB, at most; the rest is for Python steps and the page cache
LEAST = 0.2  # and at least
REST = 600_000_000  # bytes that a process takes beside: what it imports, batches, and what DuckDB does not count
WORKERS = 0.75  # of DuckDB's share is that of the workers while they work, the rest that of the run's own engine
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h: bytes from which memory is mapped; pools of threads
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit() -> int:
    """Bytes that DuckDB may use: a share of what the machine, the container or the process has (`ulimit -d`, `-v`)."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [total, *_of_process()]
    for path in _LIMITS:
        text = _text(path)
        if text.isdigit():
            limits.append(int(text))
    total = min(limits)
    return int(max(min(total * SHARE, total - REST), total * LEAST))


def unmap_what_is_free() -> None:
    """Have allocators give addresses of free memory back, where the process has a limit on them (`ulimit -d`, `-v`).

    Those of DuckDB and Arrow are asked only while they are imported.
    """
    if not _of_process():
        return
    os.environ.setdefault("DUCKDB_JE_MALLOC_CONF", "retain:false")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):  # that of glibc
        allocator.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        allocator.mallopt(_M_ARENA_MAX, 2)


def _of_process() -> list[int]:
    """Limits in bytes on what this process may ask for."""
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    return [limit for limit in limits if limit != resource.RLIM_INFINITY]


def share_of_workers() -> int:
    """Bytes that DuckDB may use in all workers together, while the run's own engine keeps to the rest."""
    return int(memory_limit() * WORKERS)


def processors() -> int:
    """Processors this process may use, quotas of a container included."""
    count = len(os.sched_getaffinity(0))
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, max(1, int(quota) // int(period)))
    return count


@cache
def gpus() -> int:
    """GPUs that the installed torch can use, none where DeepSpeed is told to use the CPU.

    The driver is asked, as torch would ask it: importing torch takes a second, and a run that has nothing to do none.
    """
    package = util.find_spec("torch")
    if package is None or package.origin is None or os.environ.get("DS_ACCELERATOR") == "cpu":
        return 0
    built_for = re.findall(r"^(cuda|hip)\b.*= *'", _text(Path(package.origin).with_name("version.py")), re.MULTILINE)
    return _devices(*DRIVERS[built_for[0]]) if built_for else 0


DRIVERS = {
    "cuda": ("libcuda.so.1", "cuInit", "cuDeviceGetCount"),
    "hip": ("libamdhip64.so", "hipInit", "hipGetDeviceCount"),
}


def _devices(library: str, initialise: str, count: str) -> int:
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return 0
    found = ctypes.c_int()
    ready = getattr(driver, initialise)(0) == 0 and getattr(driver, count)(ctypes.byref(found)) == 0
    return found.value if ready else 0


def peak_memory() -> int:
    """Bytes: the most that this process, or one of its finished children, has held so far."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def versions() -> dict[str, str]:
    """Python, this package, and those of the libraries that the run has loaded."""
    found = {"python": platform.python_version()}
    for name in ("structdsl", "duckdb", "pyarrow", "torch"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = str(version)
    return found


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
