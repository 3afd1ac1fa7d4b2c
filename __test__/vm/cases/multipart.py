"""Answers in many messages: all at once, and as a dump."""
import errno
import socket
import struct
from tap import case, equal, fails_with
from wire import (ACK, BURST, DONE, DUMP, DUMP_INTR, ECHO, ERR_MSG, ERROR_NUMBER, LIST, MULTI, NUMBER, PUBLISH, REQUEST,
                  Socket, attributes, message, number, refusal, u32)


def numbers(messages):
    return [number(attributes(m.payload)[NUMBER]) for m in messages if m.type != DONE]


def status(done):
    return struct.unpack_from('=i', done.payload)[0]


def list_request(count, flags=REQUEST | DUMP, sequence=1, more=b''):
    return message(LIST, u32(NUMBER, count) + more, flags, sequence)


@case('a burst: a datagram each, all with NLM_F_MULTI, then DONE')
def _():
    with Socket() as peer:
        peer.send(message(BURST, u32(NUMBER, 5), sequence=4))
        datagrams = [peer.receive() for _ in range(6)]
        messages = [m for datagram in datagrams for m in datagram]
        equal([(m.type, m.flags & MULTI, m.sequence) for m in messages], [(BURST, MULTI, 4)] * 5 + [(DONE, MULTI, 4)])
        equal((numbers(messages), status(messages[-1])), (list(range(5)), 0))
        peer.nothing_queued()


@case('an empty burst is DONE')
def _():
    with Socket() as peer:
        peer.send(message(BURST))
        equal([m.type for m in peer.until_done()], [DONE])


@case('a burst into a small buffer overruns: ENOBUFS, then what had its place, no DONE, and the socket goes on')
def _():
    with Socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        peer.send(message(BURST, u32(NUMBER, 5000)))
        fails_with(errno.ENOBUFS, peer.receive)
        kept = []
        peer.settimeout(0)
        try:
            while True:
                kept += peer.receive()
        except BlockingIOError:
            pass
        peer.settimeout(5)
        assert 0 < len(kept) < 5000, len(kept)
        equal(numbers(kept), list(range(len(kept))))
        equal(peer.ask(ECHO, b'goes on').payload, b'goes on')


@case('a list of 5,000 through the smallest buffer loses nothing')
def _():
    with Socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        peer.send(list_request(5000, sequence=9))
        messages = peer.until_done()
        equal(numbers(messages), list(range(5000)))
        equal({(m.sequence, m.flags) for m in messages}, {(9, MULTI)})
        equal(status(messages[-1]), 0)


@case('DONE carries the errno that a list ends with')
def _():
    with Socket() as peer:
        peer.send(list_request(3, more=u32(ERROR_NUMBER, errno.EIO)))
        messages = peer.until_done()
        equal((numbers(messages), status(messages[-1])), ([0, 1, 2], -errno.EIO))


@case('a list with NLM_F_ACK: DONE is the acknowledgement')
def _():
    with Socket() as peer:
        peer.send(list_request(3, REQUEST | DUMP | ACK))
        peer.until_done()
        peer.nothing_queued()


@case('a second list before the first is read: EBUSY, and the first comes whole')
def _():
    with Socket() as peer:
        peer.send(list_request(5000, sequence=1))
        peer.send(list_request(1, sequence=2))
        messages = peer.until_done()
        busy = [m for m in messages if m.sequence == 2]
        equal([refusal(m)[0] for m in busy], [errno.EBUSY])
        equal(numbers(m for m in messages if m.sequence == 1), list(range(5000)))


@case('what is published meanwhile interrupts a list: NLM_F_DUMP_INTR')
def _():
    with Socket() as peer, Socket() as other:
        peer.send(list_request(5000))
        first = peer.receive()
        equal(refusal(other.ask(PUBLISH, b'change'))[0], errno.ESRCH)
        messages = first + peer.until_done()
        equal(numbers(messages), list(range(5000)))
        interrupted = [m for m in messages if m.flags & DUMP_INTR]
        assert 0 < len(interrupted) < len(messages), len(interrupted)


@case('a list left half-read dies with its socket')
def _():
    with Socket() as peer:
        peer.send(list_request(100000))
        peer.receive()
    with Socket() as peer:
        peer.send(list_request(2))
        equal(numbers(peer.until_done()), [0, 1])


@case('a list without NLM_F_DUMP, and more than 100,000 messages, are refused with a text')
def _():
    with Socket() as peer:
        peer.send(list_request(3, REQUEST))
        equal(refusal(peer.receive()[0]), (errno.EINVAL, {ERR_MSG: b'a list needs NLM_F_DUMP\0'}))
        for request in (list_request(100001), message(BURST, u32(NUMBER, 0xffffffff))):
            peer.send(request)
            code, why = refusal(peer.receive()[0])
            equal((code, why[ERR_MSG]), (errno.ERANGE, b'at most 100000 messages at a time\0'))
