"""Whom an answer goes to."""
import errno
import os
from tap import case, equal, fails_with
from wire import ECHO, Socket, in_child, message, succeeded


@case('a port id of one\'s own is kept, and answered to')
def _():
    with Socket(port_id=4242) as peer:
        equal(peer.getsockname()[0], 4242)
        equal(peer.ask(ECHO, b'x').port_id, 4242)


@case('the kernel gives the process id to the first socket, something else to the next')
def _():
    def run():
        with Socket() as first, Socket() as second:
            equal(first.port_id, os.getpid())
            assert second.port_id not in (0, first.port_id), second.port_id
            for peer in (first, second):
                equal(peer.ask(ECHO, b'x').port_id, peer.port_id)
    succeeded(in_child(run))


@case('a port id that is taken: EADDRINUSE, in this process and in another')
def _():
    with Socket(port_id=4243):
        fails_with(errno.EADDRINUSE, Socket, 4243)
        succeeded(in_child(lambda: fails_with(errno.EADDRINUSE, Socket, 4243)))
    with Socket(port_id=4243) as again:
        equal(again.ask(ECHO, b'free again').payload, b'free again')


@case('the answer goes to the socket that sent, whatever port id its message claims')
def _():
    with Socket() as sender, Socket() as claimed:
        equal(sender.ask(ECHO, b'mine', port_id=claimed.port_id).port_id, sender.port_id)
        claimed.nothing_queued()


@case('a socket that never bound is bound by its first send')
def _():
    import socket
    from wire import PROTOCOL, parse
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, PROTOCOL) as peer:
        peer.settimeout(5)
        equal(peer.getsockname()[0], 0)
        peer.send(message(ECHO, b'x'))
        answer, = parse(peer.recv(4096))
        equal(answer.port_id, peer.getsockname()[0])


@case('two users of the protocol can speak without the module')
def _():
    with Socket() as one, Socket() as other:
        one.sendto(message(ECHO, b'directly'), (other.port_id, 0))
        data, sender = other.recvfrom(4096)
        equal((data[16:24], sender[0]), (b'directly', one.port_id))


@case('a port id that nobody has: ECONNREFUSED')
def _():
    with Socket() as peer:
        fails_with(errno.ECONNREFUSED, peer.sendto, message(ECHO), (999999, 0))


@case('twenty processes at once, each with its own answers')
def _():
    def run():
        with Socket() as peer:
            for sequence in range(100):
                payload = b'%d of %d' % (sequence, os.getpid())
                equal(peer.ask(ECHO, payload, sequence=sequence).payload, payload)
    for child in [in_child(run) for _ in range(20)]:
        succeeded(child)
