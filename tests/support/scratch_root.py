"""A machine of our own to install things on: Debian, freshly bootstrapped, with its real systemd as
the first process, in a network of its own that leads nowhere.

The root is made once and kept; each boot sees it through a layer in memory that is gone afterwards.
A copy of this machine's own root would be quicker to make, but then nothing would show what user
data forgets to install.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import fetching

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "bookworm"
PYTHON = (3, 11)  # of that suite
NEEDS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
# What an image of a cloud has at the least, and what its user data then asks apt for, which is
# fetched beforehand: the machine reaches no mirror.
INCLUDED = "systemd,systemd-sysv,dbus"
FETCHED = ("curl", "ca-certificates", "python3.11", "python3.11-venv")
BOOTSTRAP_S = 600.0
BOOT_S = 30.0
CLONE_NEWNET = 0x40000000


def why_not() -> str:
    """Why there can be no such machine here, or nothing."""
    if os.geteuid() != 0:
        return "a scratch root needs root"
    missing = [package for program, package in NEEDS.items() if not shutil.which(program)]
    if missing:
        return f"a scratch root needs the packages {', '.join(missing)}"
    try:
        with network():
            return ""
    except OSError as error:
        return f"a network namespace cannot be made: {error.strerror}"


@contextmanager
def network() -> Iterator[None]:
    """A network namespace for this thread and the processes it starts, with a loopback device that
    has the address of the metadata service, too. What is listened on inside stays inside."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        try:
            for command in ("link set lo up", "address add 169.254.169.254/32 dev lo"):
                subprocess.run(["ip", *command.split()], check=True, timeout=10)
            yield
        finally:
            if libc.setns(before, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "this process is lost in a network namespace")
    finally:
        os.close(before)


def base(cache: Path) -> Path:
    """The root, made if it is not there: most of a minute, and it needs a Debian mirror."""
    root = cache / f"root-{SUITE}-1"
    if root.is_dir():
        return root
    fetching.fetch(bootstrap, root)
    return root


def bootstrap(root: Path) -> None:
    # In namespaces of its own: where it is given up, no process and no mount of it is left.
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    make = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(root)]
    fetching.run([*alone, *make], BOOTSTRAP_S)
    fetch = ["apt-get", "-qq", "-y", "-o", "Acquire::Retries=3", "--no-install-recommends"]
    install = ["--download-only", "install", *FETCHED]
    fetching.run([*alone, "chroot", str(root), *fetch, *install], BOOTSTRAP_S)
    # A machine gets its own id when it boots first.
    (root / "etc/machine-id").write_text("")
    # There is no network in there: apt need not find that out several times over.
    (root / "etc/apt/apt.conf.d/90offline").write_text('Acquire::Retries "0";\n')


class Machine:
    """A booted root; its processes, files and units are of its own, the network is the caller's."""

    def __init__(self, first_process: int) -> None:
        self._into = ["nsenter", f"--target={first_process}", "--mount", "--uts", "--ipc", "--pid"]
        self._into += ["--cgroup", f"--root=/proc/{first_process}/root"]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._into += ["env", "-i", "--chdir=/", f"PATH={path}", "HOME=/root"]

    def run(
        self, *command: str, stdin: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """stderr is part of stdout, as on a console."""
        return subprocess.run(
            [*self._into, *command],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )

    def output(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        done = self.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat >{path}", stdin=text)
        assert done.returncode == 0, done.stdout


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """In the caller's network namespace; call it within network()."""
    name = f"loadcore-{os.getpid()}"
    command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--volatile=overlay", "--boot"]
    # No machine manager and no unit around it: this works in a container without systemd, too.
    command += ["--register=no", "--keep-unit", f"--machine={name}", "--console=pipe"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield wait_for_boot(process)
        finally:
            process.send_signal(signal.SIGTERM)  # an orderly shutdown
            try:
                process.wait(BOOT_S)
            except subprocess.TimeoutExpired:
                process.kill()
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{name}", ignore_errors=True)


def wait_for_boot(process: subprocess.Popen[bytes]) -> Machine:
    deadline = time.monotonic() + BOOT_S
    state = "no first process"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"systemd-nspawn ended: {process.stderr.read().decode()}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            machine = Machine(int(children[0]))
            state = machine.run("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded"):
                return machine
        time.sleep(0.1)
    raise AssertionError(f"no boot within {BOOT_S} s: {state}")
