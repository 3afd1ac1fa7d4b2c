"""Multicast: from the kernel to whoever has joined."""
import errno
import os
import socket
import struct
from tap import case, equal
from wire import (ACK, DROP_MEMBERSHIP, NEWS, PKTINFO, PUBLISH, REQUEST, SOL_NETLINK, Message, Socket, in_child, message,
                  parse, refusal, succeeded)


@case('nobody has joined: ESRCH, even without NLM_F_ACK')
def _():
    with Socket() as peer:
        equal(refusal(peer.ask(PUBLISH, b'nobody'))[0], errno.ESRCH)


@case('every member gets it, the sender too if it is one, from port 0 and with the mask of the group')
def _():
    with Socket() as sender, Socket(groups=1 << (NEWS - 1)) as by_mask, Socket() as by_option, Socket() as stranger:
        sender.join()
        by_option.join()
        sender.send(message(PUBLISH, b'to all', sequence=5))
        for member in (sender, by_mask, by_option):
            data, address = member.recvfrom(4096)
            equal(address, (0, 1 << (NEWS - 1)))
            equal(parse(data), [Message(PUBLISH, 0, 5, 0, b'to all')])
            member.nothing_queued()
        stranger.nothing_queued()


@case('packet info names the group by its number; a direct answer has 0')
def _():
    with Socket() as member:
        member.join()
        member.setsockopt(SOL_NETLINK, PKTINFO, 1)
        for kind, group in ((PUBLISH, NEWS), (16, 0)):
            member.send(message(kind, b'which?'))
            _, control, _, _ = member.recvmsg(4096, 64)
            equal([struct.unpack('=I', data)[0] for level, option, data in control], [group])


@case('news stay in order: 200 of them')
def _():
    with Socket() as sender, Socket() as member:
        member.join()
        for sequence in range(200):
            sender.send(message(PUBLISH, b'%d' % sequence))
        equal([member.receive()[0].payload for _ in range(200)], [b'%d' % sequence for sequence in range(200)])


@case('who has left gets no more')
def _():
    with Socket() as member:
        member.join()
        member.setsockopt(SOL_NETLINK, DROP_MEMBERSHIP, NEWS)
        equal(refusal(member.ask(PUBLISH, b'too late'))[0], errno.ESRCH)


@case('members in three other processes get it')
def _():
    ready, joined = os.pipe()

    def listen():
        with Socket() as member:
            member.join()
            os.write(joined, b'.')
            equal(member.receive()[0].payload, b'across')

    children = [in_child(listen) for _ in range(3)]
    for _ in children:
        os.read(ready, 1)
    with Socket() as sender:
        sender.send(message(PUBLISH, b'across', flags=REQUEST | ACK))
        equal(refusal(sender.receive()[0])[0], 0)
    for child in children:
        succeeded(child)
    os.close(ready)
    os.close(joined)


@case('a slow member overruns alone: ENOBUFS for it, everything for the other')
def _():
    with Socket() as sender, Socket() as slow, Socket() as member:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        slow.join()
        member.join()
        for sequence in range(100):
            sender.send(message(PUBLISH, b'%d' % sequence))
            equal(member.receive()[0].payload, b'%d' % sequence)
        try:
            slow.receive()
        except OSError as error:
            equal(error.errno, errno.ENOBUFS)
        else:
            raise AssertionError('the slow member did not overrun')
        equal(slow.receive()[0].payload, b'0')
