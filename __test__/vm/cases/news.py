"""Multicast: from the kernel to whoever has joined."""
import errno
import os
import socket
import struct
from tap import case, equal
from wire import (ACK, ANNOUNCE, BROADCAST_ERROR, DROP_MEMBERSHIP, ERR_MISSING_TYPE, GROUP, NEWS, PKTINFO, PUBLISH, REQUEST,
                  SOL_NETLINK, TEXT, Message, Socket, attribute, attributes, counters, in_child, message, number, parse,
                  refusal, succeeded, text, u32)


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


@case('a full member that asked for it makes the sender hear ENOBUFS, and the module count; others have the news')
def _():
    for asked in (False, True):
        with Socket() as sender, Socket() as slow, Socket() as member:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            slow.setsockopt(SOL_NETLINK, BROADCAST_ERROR, int(asked))
            slow.join()
            member.join()
            before = counters(sender)
            heard = []
            for sequence in range(100):
                sender.send(message(PUBLISH, b'%d' % sequence, flags=REQUEST | ACK))
                heard.append(refusal(sender.receive()[0])[0])
                equal(member.receive()[0].payload, b'%d' % sequence)
            after = counters(sender)
            failed = heard.count(errno.ENOBUFS)
            equal((heard.count(0), failed > 0), (100 - failed, asked))
            equal([after[2] - before[2], after[3] - before[3]], [100 - failed, failed])


@case('groups up to 40, of which those above 32 are in no mask')
def _():
    with Socket() as sender:
        for group in (1, 32, 33, 40):
            with Socket() as member, Socket(groups=0xffffffff) as masked:
                member.setsockopt(SOL_NETLINK, PKTINFO, 1)
                member.join(group)
                sender.send(message(ANNOUNCE, u32(GROUP, group) + text(TEXT, 'to some')))
                data, control, _, address = member.recvmsg(4096, 64)
                equal(attributes(parse(data)[0].payload), {TEXT: b'to some\0'})
                equal([number(data) for level, option, data in control], [group])
                if group <= 32:
                    equal(address, (0, 1 << (group - 1)))
                    masked.receive()
                masked.nothing_queued()
                member.setsockopt(SOL_NETLINK, DROP_MEMBERSHIP, group)
                masked.close()
                equal(refusal(sender.ask(ANNOUNCE, u32(GROUP, group) + text(TEXT, 'to nobody')))[0], errno.ESRCH)


@case('an announcement without its group or its text, or to a group that is not there')
def _():
    with Socket() as peer:
        for payload, missing in ((text(TEXT, 'x'), GROUP), (u32(GROUP, 40), TEXT)):
            code, why = refusal(peer.ask(ANNOUNCE, payload))
            equal((code, number(why[ERR_MISSING_TYPE])), (errno.EINVAL, missing))
        for group in (0, 41, 0xffffffff):
            equal(refusal(peer.ask(ANNOUNCE, u32(GROUP, group) + text(TEXT, 'x')))[0], errno.ERANGE)
        equal(refusal(peer.ask(ANNOUNCE, attribute(GROUP, b'\1') + text(TEXT, 'x')))[0], errno.EINVAL)
