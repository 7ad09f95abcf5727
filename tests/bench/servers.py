"""The servers that the clients are driven against: separate processes on a core of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .process import SERVER_CORE, BenchError, loadcore, pinned

# The answer of the likes service, so that both send the same body.
NGINX = """
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{{"userId": "alice", "likes": 42}}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    name: str
    url: str
    pid: int


def find_nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_accepts(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        if process.poll() is not None:
            raise BenchError(f"a server ended with {process.returncode} while starting")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError("a server does not accept connections after 10 s") from error
            time.sleep(0.02)


def answer_bytes(url: str) -> int:
    """The size of one answer to a GET, head and body, of these servers: they write it in one go."""
    address = urllib.parse.urlsplit(url)
    request = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    with socket.create_connection((str(address.hostname), address.port), timeout=5) as connection:
        connection.sendall(request.encode())
        return len(connection.recv(65536))


@contextlib.contextmanager
def _process(command: Sequence[str], stdout: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        pinned(command, SERVER_CORE), stdin=subprocess.DEVNULL, stdout=stdout
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextlib.contextmanager
def nginx() -> Iterator[Server]:
    """One nginx worker that answers `return 200`, and is its only process."""
    program = find_nginx()
    if program is None:
        raise BenchError("nginx is not here; tests/bench/peers installs it")
    with tempfile.TemporaryDirectory(prefix="loadcore-nginx-") as folder:
        port = _free_port()
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(NGINX.format(port=port))
        command = [program, "-p", folder, "-c", str(configuration), "-e", "stderr"]
        with _process(command, subprocess.DEVNULL) as process:
            _wait_until_it_accepts(process, port)
            yield Server("nginx", f"http://127.0.0.1:{port}", process.pid)


@contextlib.contextmanager
def redis() -> Iterator[Server]:
    """Redis that answers an INCR once it is on the disk: appendfsync always."""
    program = shutil.which("redis-server")
    if program is None:
        raise BenchError("redis-server is not here; tests/bench/peers installs it")
    with folder_on_disk() as folder:
        port = _free_port()
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        with _process(command, subprocess.DEVNULL) as process:
            _wait_until_it_accepts(process, port)
            yield Server("redis", f"redis://127.0.0.1:{port}", process.pid)


@contextlib.contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A temporary one beside the build, since /tmp may be memory."""
    build = Path(__file__).resolve().parents[2] / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
        yield Path(folder)


@contextlib.contextmanager
def durable_likes() -> Iterator[Server]:
    """The likes service that answers a POST once it is on the disk, one thread."""
    with folder_on_disk() as folder, likes("--data", str(folder)) as server:
        yield Server("loadcore serve --data", server.url, server.pid)


@contextlib.contextmanager
def likes(*options: str) -> Iterator[Server]:
    """The likes service, one thread; in memory unless the options say otherwise."""
    command = [*loadcore(), "serve", "--threads", "1", "--port", "0", *options]
    with _process(command, subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchError("loadcore serve ended while starting")
        yield Server("loadcore serve", json.loads(line)["url"], process.pid)


@contextlib.contextmanager
def target() -> Iterator[Server]:
    """nginx, or where it is not installed the likes service: what every client is driven against.

    Its URL is that of one page, which both of them have.
    """
    with nginx() if find_nginx() else likes() as server:
        yield Server(server.name, f"{server.url}/v1/alice/likes", server.pid)
