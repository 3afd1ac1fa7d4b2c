// Socket options: each is the kernel's own, and an independent process sees what was set.
import test from 'ava'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { features, UnixDatagram, UnixListener, UnixSeqpacket, UnixStream } from 'nearwire'
import { closing, connection, listening, pair, place } from './helpers/sockets.mjs'
import { hasPython, startPeer } from './helpers/peers.mjs'

/** What another program finds on a descriptor that it inherits. */
function asPythonSeesIt(fd, name) {
  const script = `import socket; print(socket.socket(fileno=3).getsockopt(socket.SOL_SOCKET, ${name}))`
  return Number(execFileSync('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit', fd] }))
}
const NUMBERS = { SO_SNDBUF: 7, SO_RCVBUF: 8, SO_PASSCRED: 16, SO_PASSSEC: 34, SO_PASSPIDFD: 76, SO_PASSRIGHTS: 83 }

test('buffer sizes read as twice what was set', (t) => {
  const [left] = pair(t)
  left.options.SO_SNDBUF = 20_000
  left.options.SO_RCVBUF = 30_000
  t.is(left.options.SO_SNDBUF, 40_000)
  t.is(left.options.SO_RCVBUF, 60_000)
  t.not(pair(t)[0].options.SO_SNDBUF, 40_000)
})

test('a smaller send buffer is what stops a writer', async (t) => {
  const [left, right] = pair(t)
  left.options.SO_SNDBUF = 4096
  const writing = left.write(Buffer.alloc(200_000))
  t.true(right.options.SIOCINQ < 100_000)
  t.true(left.options.SIOCOUTQ >= right.options.SIOCINQ)
  let count = 0
  while (count < 200_000) count += await right.read(Buffer.alloc(65_536))
  await writing
})

test('queued bytes, in and out', async (t) => {
  const [left, right] = pair(t)
  t.is(right.options.SIOCINQ, 0)
  t.is(left.options.SIOCOUTQ, 0)
  await left.write('hello')
  t.is(right.options.SIOCINQ, 5)
  t.true(left.options.SIOCOUTQ > 5)
  await right.read(Buffer.alloc(5))
  t.is(right.options.SIOCINQ, 0)
  t.is(left.options.SIOCOUTQ, 0)
  const [one, other] = UnixDatagram.pair().map((socket) => closing(t, socket))
  one.send('first')
  one.send('the second')
  await one.flush()
  t.is(other.options.SIOCINQ, 5)
})

test('what kind of socket it is', async (t) => {
  const listener = await listening(t)
  const coordinates = ({ options: { SO_DOMAIN, SO_TYPE, SO_PROTOCOL, SO_ACCEPTCONN } }) => [SO_DOMAIN, SO_TYPE, SO_PROTOCOL, SO_ACCEPTCONN]
  t.deepEqual(coordinates(listener), [1, 1, 0, true])
  t.deepEqual(coordinates(pair(t)[0]), [1, 1, 0, false])
  t.deepEqual(coordinates(closing(t, UnixDatagram.unbound())), [1, 2, 0, false])
  t.deepEqual(coordinates(closing(t, UnixSeqpacket.pair()[0])), [1, 5, 0, false])
})

for (const name of ['SO_PASSCRED', 'SO_PASSPIDFD', 'SO_PASSSEC', 'SO_PASSRIGHTS']) {
  const there = !(name in features()) || features()[name]
  test(`${name} is on and off as another program sees it${there ? '' : ' (this kernel lacks it: a clear error)'}`, (t) => {
    const [left] = pair(t)
    if (!there) {
      t.throws(() => { left.options[name] = false }, { code: 'ENOPROTOOPT', message: /needs Linux/ })
      return
    }
    const before = left.options[name]
    t.is(before, name === 'SO_PASSRIGHTS')
    left.options[name] = !before
    t.is(left.options[name], !before)
    if (hasPython) t.is(asPythonSeesIt(left.fd, NUMBERS[name]), before ? 0 : 1)
    left.options[name] = before
    t.is(left.options[name], before)
    t.throws(() => { left.options[name] = 1 }, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: new RegExp(name) })
  })
}

test('SO_PEEK_OFF: another program peeks from where we said, and reading takes all of it', async (t) => {
  const [left, right] = UnixDatagram.pair().map((socket) => closing(t, socket))
  t.is(right.options.SO_PEEK_OFF, -1)
  right.options.SO_PEEK_OFF = 2
  t.is(right.options.SO_PEEK_OFF, 2)
  await left.send('abcdef')
  if (hasPython) {
    const peek = 'import socket; print(socket.socket(fileno=3).recv(10, socket.MSG_PEEK).decode(), end="")'
    t.is(String(execFileSync('python3', ['-c', peek], { stdio: ['ignore', 'pipe', 'inherit', right.fd] })), 'cdef')
  }
  t.is(String((await right.receive()).data), 'abcdef')
})

test('SO_PASSCRED set on an open socket brings the sender of what is sent from then on', async (t) => {
  const [left, right] = UnixDatagram.pair().map((socket) => closing(t, socket))
  right.options.SO_PASSCRED = true
  await left.send('x')
  const { credentials } = await right.receive()
  t.deepEqual(credentials, { pid: process.pid, uid: process.getuid(), gid: process.getgid() })
})

test('accepted sockets inherit SO_PASSCRED from their listener', async (t) => {
  const listener = await listening(t)
  listener.options.SO_PASSCRED = true
  const [client, server] = await Promise.all([UnixStream.connect(listener.address), listener.accept()])
  closing(t, client)
  t.true(closing(t, server).options.SO_PASSCRED)
})

if (features().SO_PASSRIGHTS) {
  test('a peer that refuses descriptors', async (t) => {
    const [left, right] = pair(t)
    right.options.SO_PASSRIGHTS = false
    await t.throwsAsync(left.sendMessage({ data: 'x', fds: [left.fd] }), { code: 'EPERM' })
    right.options.SO_PASSRIGHTS = true
    await left.sendMessage({ data: 'y', fds: [] })
    t.is(String((await right.receiveMessage()).data), 'y')
  })
} else {
  test.skip('a peer that refuses descriptors: SO_PASSRIGHTS needs Linux 6.16', () => {})
}

test('what a size cannot be', (t) => {
  const [left] = pair(t)
  for (const value of [-1, 1.5, Number.NaN, 2 ** 30]) {
    t.throws(() => { left.options.SO_SNDBUF = value }, { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE', message: /SO_SNDBUF/ })
  }
  t.throws(() => { left.options.SO_RCVBUF = '4096' }, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => { left.options.SO_PEEK_OFF = -2 }, { instanceOf: RangeError })
})

test('a listener has no bytes queued: asking is EINVAL', async (t) => {
  const listener = await listening(t)
  t.throws(() => listener.options.SIOCINQ, { code: 'EINVAL', message: /^ioctl EINVAL/ })
})

test('a closed socket, and options that were kept', async (t) => {
  const [left, right] = UnixStream.pair()
  const { options } = left
  await left.close()
  t.throws(() => options.SO_SNDBUF, { code: 'ERR_SOCKET_CLOSED' })
  t.throws(() => { options.SO_PASSCRED = true }, { code: 'ERR_SOCKET_CLOSED' })
  await right.close()
})

test('the unprivileged are capped where the privileged are not', async (t) => {
  const { listener, client } = await connection(t)
  const most = Number(readFileSync('/proc/sys/net/core/wmem_max', 'utf8'))
  client.options.SO_SNDBUF = most * 2
  t.true([most * 2, most * 4].includes(client.options.SO_SNDBUF))
  t.true(listener instanceof UnixListener)
})

test('a peer in C sees bytes queue as we count them', async (t) => {
  const path = place(t)
  const peer = await startPeer(t, 'c', ['stream', 'server', path, 'wait-queued:7', 'pause'])
  const client = closing(t, await UnixStream.connect(path))
  await client.write('1234567')
  t.is((await peer.result('wait-queued')).length, 7)
  t.true(client.options.SIOCOUTQ > 7)
})
