#!/usr/bin/env python3
"""Start of a sandbox against bubblewrap's, as ratios to fork+exec.

usage: sandbox_start.py PKGSYNC_SANDBOX [ROUNDS]

The runs alternate, so that what else the machine does hits all alike; the
minimum is shown beside the median because it is what the work itself costs.
bubblewrap is given the same namespaces and a similar root, but no system call
filter, no Landlock, no output directory and no limits on its tmpfs.
"""
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BWRAP = (
    "bwrap --unshare-all --ro-bind /usr /usr --symlink usr/bin /bin"
    " --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc"
    " --dev /dev --tmpfs /tmp --ro-bind /etc/ld.so.cache /etc/ld.so.cache"
    " --ro-bind /etc/alternatives /etc/alternatives --ro-bind /etc/ssl/certs"
    " /etc/ssl/certs --uid 1000 --gid 1000 --clearenv --new-session"
    " --die-with-parent /bin/true"
).split()
PLAN = {
    "argv": ["/bin/true"],
    "cwd": "/tmp",
    "out_path": "/out",
    "out_max_bytes": 1 << 20,
    "out_max_files": 100,
}


def run_ms(argv, plan=None):
    stdin = plan or subprocess.DEVNULL
    if plan:
        plan.seek(0)
    start = time.perf_counter()
    done = subprocess.run(argv, stdin=stdin, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=True)
    took = (time.perf_counter() - start) * 1000
    if plan and json.loads(done.stderr).get("exit_status") != 0:
        raise SystemExit(done.stderr.decode())
    return took


def measure(helper, rounds):
    """Times in milliseconds by what was started."""
    cases = {"fork+exec": (["/bin/true"], None)}
    if shutil.which("bwrap"):
        cases["bubblewrap"] = (BWRAP, None)
    with tempfile.TemporaryFile() as plan:
        plan.write(json.dumps(PLAN).encode())
        plan.flush()
        cases["pkgsync-sandbox"] = ([helper], plan)
        times = {name: [] for name in cases}
        for _ in range(rounds):
            for name, (argv, stdin) in cases.items():
                times[name].append(run_ms(argv, stdin))
    return times


def main():
    times = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    base = times["fork+exec"]
    for name, t in times.items():
        print(f"{name:16} median {statistics.median(t) / statistics.median(base):5.2f}"
              f"  minimum {min(t) / min(base):5.2f}")


if __name__ == "__main__":
    main()
