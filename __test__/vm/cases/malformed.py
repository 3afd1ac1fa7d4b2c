"""Bytes that no honest peer sends. After each, the module must still answer; what it says is checked where it can say."""
import errno
import random
import socket
from tap import case, equal, fails_with
from wire import (ACK, ANNOUNCE, ATTRIBUTES, BURST, CAP_ACK, COLUMN, COUNTERS, DUMP, ECHO, ERR_MSG, GROUP, LABEL, LIST,
                  NESTED, NUMBER, PLACE, PUBLISH, REQUEST, ROW, SHOUT, SOL_NETLINK, TEXT, Socket, attribute, attributes,
                  message, nested, refusal, text, u32)

SO_SNDBUFFORCE = 32


def alive(peer):
    equal(peer.ask(ECHO, b'alive').payload, b'alive')
    peer.nothing_queued()


@case('an empty datagram: ENODATA from send()')
def _():
    with Socket() as peer:
        fails_with(errno.ENODATA, peer.send, b'')
        alive(peer)


@case('datagrams of 1 to 15 bytes, shorter than a header, are dropped without a word')
def _():
    with Socket() as peer:
        for length in range(1, 16):
            peer.send(message(ECHO, b'')[:length])
            peer.nothing_queued()
        alive(peer)


@case('lengths that lie (0, 1, 15, past the end, 4 GiB) are dropped without a word')
def _():
    with Socket() as peer:
        for length in (0, 1, 15, 21, 22, 1000, 0x7fffffff, 0x80000000, 0xffffffff):
            peer.send(message(ECHO, b'1234', flags=REQUEST | ACK, length=length))
            peer.nothing_queued()
        alive(peer)


@case('what follows a lying length is not read')
def _():
    with Socket() as peer:
        peer.send(message(ECHO, length=8) + message(ECHO, b'behind'))
        peer.nothing_queued()
        alive(peer)


@case('a whole message cut at every byte')
def _():
    whole = (text(TEXT, 'abc') + u32(NUMBER, 1) + attribute(SHOUT)
             + nested(PLACE, u32(ROW, 1), u32(COLUMN, 2), text(LABEL, 'x')))
    with Socket() as peer:
        for length in range(len(whole)):
            # The header's length still says the whole, and then what is there.
            peer.send(message(ATTRIBUTES, whole)[:16 + length])
            peer.nothing_queued()
            peer.send(message(ATTRIBUTES, whole[:length]))
            answer, = peer.receive()
            if answer.type == ATTRIBUTES:
                attributes(answer.payload)
            else:
                assert refusal(answer)[0] in (errno.EINVAL, errno.ERANGE), answer
        alive(peer)


@case('attributes whose length is 0 to 3, or past the end')
def _():
    with Socket() as peer:
        for length in (0, 1, 2, 3, 9, 100, 65535):
            equal(refusal(peer.ask(ATTRIBUTES, attribute(TEXT, b'abc\0', length)))[0], errno.EINVAL)
        alive(peer)


@case('nested attributes past their parent, empty, and nested a thousand deep')
def _():
    deep = b''
    for _ in range(1000):
        deep = attribute(PLACE | NESTED, deep)
    with Socket() as peer:
        for place in (
            attribute(PLACE | NESTED, attribute(ROW, bytes(4), 100)),
            attribute(PLACE | NESTED, attribute(ROW, bytes(4), 3)),
            attribute(PLACE | NESTED, b'xyz'),
            attribute(PLACE | NESTED),
            deep,
        ):
            code, _ = refusal(peer.ask(ATTRIBUTES, text(TEXT, 'abc') + place))
            assert code in (errno.EINVAL, errno.ERANGE), code
        alive(peer)


@case('fifteen thousand attributes in one message')
def _():
    with Socket() as peer:
        equal(attributes(peer.ask(ATTRIBUTES, attribute(SHOUT) * 15000 + text(TEXT, 'a')).payload), {TEXT: b'A\0', SHOUT: b''})
        equal(refusal(peer.ask(ATTRIBUTES, attribute(999) * 15000))[0], errno.EINVAL)


@case('65,536 bytes are echoed; one more, and eight million, are EMSGSIZE')
def _():
    with Socket() as peer:
        peer.setsockopt(SOL_NETLINK, CAP_ACK, 1)
        peer.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
        equal(peer.ask(ECHO, b'y' * 65536).payload, b'y' * 65536)
        for kind in (ECHO, PUBLISH):
            for length in (65537, 8_000_000):
                equal(refusal(peer.ask(kind, b'y' * length)),
                      (errno.EMSGSIZE, {ERR_MSG: b'payload is longer than 65536 bytes\0'}))
        alive(peer)


@case('more than the send buffer: EMSGSIZE from send()')
def _():
    with Socket() as peer:
        limit = peer.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        fails_with(errno.EMSGSIZE, peer.send, message(ECHO, b'z' * limit))
        alive(peer)


@case('a thousand messages in one send')
def _():
    with Socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        peer.send(b''.join(message(ECHO, b'%d' % index, sequence=index) for index in range(1000)))
        equal([peer.receive()[0].payload for _ in range(1000)], [b'%d' % index for index in range(1000)])


@case('three thousand messages with bytes changed at random')
def _():
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    whole = [
        message(ATTRIBUTES, text(TEXT, 'abc') + u32(NUMBER, 1) + nested(PLACE, u32(ROW, 1), u32(COLUMN, 2), text(LABEL, 'x'))),
        message(BURST, u32(NUMBER, 3)), message(LIST, u32(NUMBER, 3), REQUEST | DUMP), message(ECHO, b'abc'),
        message(PUBLISH, b'abc'), message(COUNTERS), message(ANNOUNCE, u32(GROUP, 1) + text(TEXT, 'abc')),
    ]

    def change():
        victim = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(1, 4)):
            victim[dice.randrange(len(victim))] = dice.choice((0, 1, 4, 0x7f, 0x80, 0xff, dice.randrange(256)))
        if dice.random() < 0.3:
            victim += dice.randbytes(dice.randrange(40))
        return bytes(victim)

    try:
        for _ in range(300):
            # Ten to a socket, unread: a burst or a list that a change made long ends with the socket.
            with Socket(groups=1) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                for _ in range(10):
                    peer.send(change())
            with Socket() as peer:
                equal(peer.ask(ECHO, b'alive').payload, b'alive')
    except Exception as error:
        raise AssertionError(f'random seed {seed}') from error
