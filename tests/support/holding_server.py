"""Answers every request on as many connections as come and keeps them open; prints its port.

A program of its own, one epoll loop: two ends of 10,000 connections are more than one process may
have open on most machines.
"""

import resource
import select
import socket

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                accept(listener, poll, connections)
            elif not answer(connections[descriptor]):
                poll.unregister(descriptor)
                connections.pop(descriptor).close()


def accept(
    listener: socket.socket, poll: select.epoll, connections: dict[int, socket.socket]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connections[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)


def answer(connection: socket.socket) -> bool:
    """False where the connection is over."""
    try:
        request = connection.recv(65536)
        if request:
            connection.sendall(ANSWER * request.count(b"\r\n\r\n"))
    except ConnectionError:
        return False
    return bool(request)


if __name__ == "__main__":
    main()
