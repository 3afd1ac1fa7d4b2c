"""Request and answer."""
import errno
from tap import case, equal
from wire import (ACK, CAP_ACK, ECHO, ERR_MSG, ERROR, PREFIX, REFUSE, REQUEST, SOL_NETLINK, Message, Socket, message,
                  refusal)


@case('an echo comes back as it is, with its sequence number, from the kernel')
def _():
    with Socket() as peer:
        peer.send(message(ECHO, b'hello', sequence=7))
        data, sender = peer.recvfrom(4096)
        equal(data[:4], (16 + 5).to_bytes(4, 'little'))
        equal(sender, (0, 0))
        equal(peer.ask(ECHO, b'hello', sequence=8), Message(ECHO, 0, 8, peer.port_id, b'hello'))


@case('an empty echo is answered')
def _():
    with Socket() as peer:
        equal(peer.ask(ECHO).payload, b'')


@case('a prefixed echo')
def _():
    with Socket() as peer:
        equal(peer.ask(PREFIX, b'hello', sequence=8), Message(PREFIX, 0, 8, peer.port_id, b'echo:hello'))


@case('30,000 bytes with NLM_F_ACK: the answer first, then the acknowledgement')
def _():
    with Socket() as peer:
        equal(peer.ask(ECHO, b'x' * 30000, REQUEST | ACK, 9).payload, b'x' * 30000)
        acknowledgement, = peer.receive()
        equal((acknowledgement.type, acknowledgement.sequence, refusal(acknowledgement)), (ERROR, 9, (0, {})))
        peer.nothing_queued()


@case('two requests in one send: two datagrams, in order')
def _():
    with Socket() as peer:
        peer.send(message(ECHO, b'a', sequence=1) + message(PREFIX, b'b', sequence=2))
        equal([[m.payload for m in peer.receive()] for _ in range(2)], [[b'a'], [b'echo:b']])


@case('a message without NLM_F_REQUEST is skipped without a word, the one behind it is answered')
def _():
    with Socket() as peer:
        peer.send(message(ECHO, b'skipped', flags=0) + message(ECHO, b'answered'))
        equal([m.payload for m in peer.receive()], [b'answered'])
        peer.nothing_queued()


@case('with NLM_F_ACK and without NLM_F_REQUEST: acknowledged as a success, and yet skipped')
def _():
    with Socket() as peer:
        equal(refusal(peer.ask(ECHO, b'skipped', flags=ACK)), (0, {}))
        peer.nothing_queued()


@case('netlink\'s own types, below 16, are not for the module')
def _():
    with Socket() as peer:
        for kind in range(16):
            peer.send(message(kind, b'x'))
        peer.nothing_queued()


@case('a refusal carries its errno, the request, and a text')
def _():
    with Socket() as peer:
        answer = peer.ask(REFUSE, b'q', sequence=3)
        equal((answer.sequence, refusal(answer)), (3, (errno.EOPNOTSUPP, {ERR_MSG: b'refused, as you asked\0'})))
        equal(answer.payload[4:24], message(REFUSE, b'q', sequence=3)[:20])


@case('a capped refusal carries only the request\'s header')
def _():
    with Socket() as peer:
        peer.setsockopt(SOL_NETLINK, CAP_ACK, 1)
        equal(refusal(peer.ask(REFUSE, b'q' * 1000)), (errno.EOPNOTSUPP, {ERR_MSG: b'refused, as you asked\0'}))


@case('an unknown type is refused')
def _():
    with Socket() as peer:
        for kind in (25, 255, 65535):
            equal(refusal(peer.ask(kind)), (errno.EINVAL, {ERR_MSG: b'unknown message type\0'}))
