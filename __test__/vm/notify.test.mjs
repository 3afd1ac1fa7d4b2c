// notify over AF_VSOCK, inside the VM: its kernel has the loopback, with which a context speaks to itself (vsock(7)).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { notify } from 'nearwire';

/** Accepts, and prints what it is told, whether that is all, and the sender's port. */
const RECEIVER = `
import socket, sys
kind = { 'stream': socket.SOCK_STREAM, 'seqpacket': socket.SOCK_SEQPACKET }[sys.argv[1]]
server = socket.socket(socket.AF_VSOCK, kind)
server.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
server.listen()
print(server.getsockname()[1], flush=True)
connection, (cid, port) = server.accept()
told = b''
while part := connection.recv(4096):
    told += part
print(told.decode().replace(chr(10), '|'), cid, port < 1024, flush=True)
`;

for (const [form, kind] of [['vsock', 'seqpacket'], ['vsock-seqpacket', 'seqpacket'], ['vsock-stream', 'stream']]) {
  test(`NOTIFY_SOCKET=${form}:CID:PORT`, { timeout: 60_000 }, async (t) => {
    const receiver = spawn('python3', ['-Bc', RECEIVER, kind], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => receiver.kill('SIGKILL'));
    const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
    process.env.NOTIFY_SOCKET = `${form}:1:${(await lines.next()).value}`;
    assert.equal(await notify.send({ READY: 1, STATUS: 'up' }), true);
    assert.equal((await lines.next()).value, 'READY=1|STATUS=up 1 True');
    await once(receiver, 'exit');
  });
}

test('nobody there: an error that says so', { timeout: 60_000 }, async () => {
  process.env.NOTIFY_SOCKET = 'vsock-stream:1:4711';
  await assert.rejects(notify.ready(), { name: 'SocketError', code: 'ECONNRESET', syscall: 'connect' });
});

test('a kind of socket that vsock does not have here', async () => {
  process.env.NOTIFY_SOCKET = 'vsock-dgram:1:4711';
  await assert.rejects(notify.ready(), { name: 'SocketError', syscall: /socket|connect|write/ });
});

test('descriptors do not travel', async () => {
  process.env.NOTIFY_SOCKET = 'vsock:1:4711';
  await assert.rejects(notify.storeFds([0]), { code: 'EOPNOTSUPP' });
});
