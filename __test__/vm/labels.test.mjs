// Security labels, inside the VM: it boots with SELinux, which without a policy calls every process and socket "kernel".
// Who says so independently: the kernel, of processes, in /proc, and Python, of sockets.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { features, UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream } from 'nearwire';

const skip = features().SO_PEERSEC ? false : 'no security module of this kernel labels sockets';
const own = skip ? '' : readFileSync('/proc/self/attr/current', 'latin1').replace(/\0$/, '');

/** Connects, or only sends; says one thing, and then the label of the other end as it sees it. */
const PEER = `
import socket, sys
kind, name = sys.argv[1:]
peer = socket.socket(socket.AF_UNIX, { 'stream': socket.SOCK_STREAM, 'datagram': socket.SOCK_DGRAM, 'seqpacket': socket.SOCK_SEQPACKET }[kind])
peer.connect(chr(0) + name)
peer.send(b'labelled')
if kind != 'datagram':
    peer.recv(1)
    print(peer.getsockopt(socket.SOL_SOCKET, 31, 256).rstrip(bytes(1)).decode(), end='') # SO_PEERSEC
`;

/** Closed after the test, one or several. */
function closing(t, opened) {
  for (const one of [opened].flat()) t.after(() => one.close());
  return opened;
}

function startPeer(kind, name) {
  const child = spawn('python3', ['-Bc', PEER, kind, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  return once(child, 'close').then(([code]) => ({ code, said }));
}

test('the label is a text without a NUL', { skip }, () => {
  assert.match(own, /^[!-~]+$/);
});

for (const [kind, Class, Listener] of [['stream', UnixStream, UnixListener], ['seqpacket', UnixSeqpacket, UnixSeqpacketListener]]) {
  test(`${kind}: the peer's label, of a process, of ourselves, of a pair`, { skip, timeout: 60_000 }, async (t) => {
    const name = `labels-${kind}`;
    const listener = closing(t, await Listener.listen({ abstract: name }));
    const peer = startPeer(kind, name);
    const accepted = closing(t, await listener.accept());
    assert.equal(accepted.peer.securityLabel(), own);
    await (kind === 'stream' ? accepted.write('.') : accepted.send('.'));
    assert.deepEqual(await peer, { code: 0, said: own });

    const connected = closing(t, await Class.connect({ abstract: name }));
    assert.equal(connected.peer.securityLabel(), own);
    for (const end of closing(t, Class.pair())) assert.equal(end.peer.securityLabel(), own);
  });
}

test('datagram: the sender\'s label with each message, of those who ask for it', { skip, timeout: 60_000 }, async (t) => {
  const [asks, not] = [
    closing(t, await UnixDatagram.bind({ abstract: 'labels-asked' }, { passSecurity: true })),
    closing(t, await UnixDatagram.bind({ abstract: 'labels-not' })),
  ];
  for (const [socket, label] of [[asks, own], [not, null]]) {
    const peer = startPeer('datagram', socket.address.abstract);
    const { data, securityLabel } = await socket.receive();
    assert.deepEqual([data.toString(), securityLabel], ['labelled', label]);
    assert.equal((await peer).code, 0);
  }
  // Beside what else can come with a message, and several in one batch (as many as a receiver's queue takes).
  asks.options.SO_PASSCRED = true;
  const from = closing(t, UnixDatagram.unbound());
  for (let count = 0; count < 8; count += 1) await from.send(`${count}`, { to: asks.address, fds: [0] });
  for (let count = 0; count < 8; count += 1) {
    const message = await asks.receive();
    assert.deepEqual(
      [message.data.toString(), message.securityLabel, message.credentials.pid, message.fds.length, message.ancillaryTruncated],
      [`${count}`, own, process.pid, 1, false],
    );
    message.fds.forEach(closeSync);
  }
});

test('stream: the sender\'s label with what was sent, which the kernel tells beside credentials only', { skip }, async (t) => {
  for (const [passCredentials, label] of [[true, own], [false, null]]) {
    const [left, right] = closing(t, UnixStream.pair({ passSecurity: true, passCredentials }));
    await left.write('x');
    const { data, securityLabel } = await right.receiveMessage();
    assert.deepEqual([data.toString(), securityLabel], ['x', label]);
  }
});

test('seqpacket: the sender\'s label with each message', { skip, timeout: 60_000 }, async (t) => {
  const listener = closing(t, await UnixSeqpacketListener.listen({ abstract: 'labels-messages' }, { passSecurity: true }));
  const peer = startPeer('seqpacket', 'labels-messages');
  const accepted = closing(t, await listener.accept());
  const { data, securityLabel } = await accepted.receive();
  assert.deepEqual([data.toString(), securityLabel], ['labelled', own]);
  await accepted.send('.');
  assert.equal((await peer).code, 0);

  const [left, right] = closing(t, UnixSeqpacket.pair({ passSecurity: true }));
  await left.send('x');
  assert.equal((await right.receive()).securityLabel, own);
});
