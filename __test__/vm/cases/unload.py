"""Loading and unloading the module while it is used. Begins with the module loaded, ends with it gone."""
import ctypes
import errno
import mmap
import os
import signal
import subprocess
from tap import case, equal
from wire import DUMP, ECHO, LIST, NEWS, NUMBER, PUBLISH, REQUEST, Socket, counters, in_child, message, succeeded, u32

libc = ctypes.CDLL(None, use_errno=True)
SYS_DELETE_MODULE = 176  # x86-64; glibc has no function for it


def rmmod():
    """What rmmod says; an empty string if the module is gone."""
    done = subprocess.run(['rmmod', 'nearwire_echo'], capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stderr == ''), done
    return done.stderr


def insmod():
    subprocess.run(['insmod', os.environ['MODULE']], check=True)


def cannot_be_unloaded():
    said = rmmod()
    assert 'in use' in said, said


@case('in use while a socket is open, and it goes on answering')
def _():
    with Socket() as peer:
        cannot_be_unloaded()
        equal(peer.ask(ECHO, b'still').payload, b'still')
    equal(rmmod(), '')
    insmod()


@case('in use while a member of the group waits')
def _():
    with Socket(groups=1 << (NEWS - 1)) as member:
        cannot_be_unloaded()
        equal(member.ask(PUBLISH, b'still').payload, b'still')


@case('in use while a list is half-read; closing is enough')
def _():
    with Socket() as peer:
        peer.send(message(LIST, u32(NUMBER, 100000), REQUEST | DUMP))
        peer.receive()
        cannot_be_unloaded()
    equal(rmmod(), '')
    insmod()


@case('in use by another process, until it is killed')
def _():
    ready, opened = os.pipe()

    def hold():
        with Socket() as peer:
            os.write(opened, b'.')
            peer.settimeout(None)
            peer.receive()

    child = in_child(hold)
    os.read(ready, 1)
    cannot_be_unloaded()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    equal(rmmod(), '')
    insmod()


@case('the counters begin anew with the module')
def _():
    equal(rmmod(), '')
    insmod()
    with Socket() as peer:
        equal(counters(peer), [1, 0, 0, 0])


@case('unloaded and loaded twenty times while a user comes and goes')
def _():
    answers = mmap.mmap(-1, 8)  # shared with the user's process

    def come_and_go():
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        count = 0
        while True:
            try:
                with Socket() as peer:
                    equal(peer.ask(ECHO, b'x').payload, b'x')
                count += 1
                answers[:] = count.to_bytes(8, 'little')
            except OSError as error:
                # Gone; or, for the moment in which the module has left its socket, nobody behind the protocol.
                assert error.errno in (errno.EPROTONOSUPPORT, errno.ECONNREFUSED), error

    # rmmod takes longer to start than the user leaves the module alone: the bare system call hits the moment.
    def delete_module():
        return libc.syscall(SYS_DELETE_MODULE, b'nearwire_echo', os.O_NONBLOCK) == 0

    user = in_child(come_and_go)
    for _ in range(20):
        before = answers[:]
        while answers[:] == before:
            equal(os.waitpid(user, os.WNOHANG), (0, 0))
        while not delete_module():
            equal(errno.errorcode[ctypes.get_errno()], 'EAGAIN')
        insmod()
    os.kill(user, signal.SIGTERM)
    succeeded(user)


@case('it goes when nobody uses it')
def _():
    equal(rmmod(), '')
