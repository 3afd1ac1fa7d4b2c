// The life of a datagram socket: its name, closing, iterating, giving up and adopting descriptors.
import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, lstatSync, statSync, writeFileSync } from 'node:fs'
import { UnixDatagram, UnixStream } from 'nearwire'
import { bound, fill, isOpen, pairOf, text, unbound } from './helpers/messages.mjs'
import { peers, startPeer } from './helpers/peers.mjs'
import { abstractName, closing, collect, drop, isSettled, place, ran } from './helpers/sockets.mjs'

const closed = { code: 'ERR_SOCKET_CLOSED' }

test('auto asks the kernel for an abstract name, another each time', async (t) => {
  const [one, other] = [await bound(t, 'auto'), await bound(t, 'auto')]
  t.regex(one.address.abstract.toString(), /^[0-9a-f]{5}$/)
  t.notDeepEqual(one.address, other.address)
  t.deepEqual(unbound(t).address, { unnamed: true })
})

test('abstract names may hold any bytes, NUL and trailing NULs too, and are all different', async (t) => {
  const name = abstractName()
  const names = [name, `${name}\0`, `${name}\0\0`, `\0${name}`].map((one) => Buffer.from(one))
  const sockets = await Promise.all(names.map((abstract) => bound(t, { abstract })))
  const sender = unbound(t)
  for (const [index, socket] of sockets.entries()) {
    t.deepEqual(socket.address.abstract, names[index])
    await sender.send(`${index}`, { to: { abstract: names[index] } })
    t.is(await text(socket), `${index}`)
  }
  const zero = await bound(t, `\0${name}-string`)
  t.is(zero.address.abstract.toString(), `${name}-string`)
  await t.throwsAsync(UnixDatagram.bind({ abstract: Buffer.alloc(108) }), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('the file has its mode from the beginning, and goes with the socket', async (t) => {
  const path = place(t)
  const socket = await UnixDatagram.bind(path, { mode: 0o600 })
  t.is(statSync(path).mode & 0o777, 0o600)
  await socket.close()
  t.false(existsSync(path))
  const kept = await UnixDatagram.bind(path, { unlinkOnClose: false })
  await kept.close()
  t.true(lstatSync(path).isSocket())
})

test('takeover: a stale file is replaced, a live one only when asked for, anything else never', async (t) => {
  const path = place(t)
  await (await UnixDatagram.bind(path, { unlinkOnClose: false })).close()
  await t.throwsAsync(UnixDatagram.bind(path, { takeover: false }), { code: 'EADDRINUSE' })
  const first = await bound(t, path)
  await t.throwsAsync(UnixDatagram.bind(path), { code: 'EADDRINUSE' })
  const second = await bound(t, path, { takeover: true })
  const sender = unbound(t)
  await sender.send('x', { to: path })
  t.is(await text(second), 'x')
  await first.close()
  t.true(existsSync(path), 'the file is the successor\'s')
  await second.close()
  t.false(existsSync(path))
  writeFileSync(path, 'precious')
  for (const takeover of [false, 'stale', true]) {
    await t.throwsAsync(UnixDatagram.bind(path, { takeover }), { code: 'EADDRINUSE' })
  }
  t.true(lstatSync(path).isFile())
})

test('close settles everything that waits; iterators end', async (t) => {
  const socket = await UnixDatagram.bind('auto')
  const waits = [socket.receive(), socket.receive({ maxLength: 3 }), socket.receive({ peek: true })]
  const iterating = collect(socket)
  const batching = collect(socket.batches())
  const done = socket.close()
  for (const wait of waits) await t.throwsAsync(wait, closed)
  t.deepEqual(await iterating, [])
  t.deepEqual(await batching, [])
  await Promise.all([done, socket.closed])
  t.is(socket.fd, -1)
  t.throws(() => socket.send('x'), closed)
  t.throws(() => socket.connect('/x'), closed)
  t.throws(() => socket.address, closed)
  t.throws(() => socket.detach(), closed)
  await t.throwsAsync(socket.receive(), closed)
  await t.throwsAsync(socket.flush(), closed)
  t.deepEqual(await collect(socket), [])
})

test('await using closes', async (t) => {
  const socket = await UnixDatagram.bind('auto')
  await socket[Symbol.asyncDispose]()
  t.is(socket.fd, -1)
})

test('overlapping receives, iterators and batches take turns, and every message goes to one of them', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const iterator = right[Symbol.asyncIterator]()
  const waits = [iterator.next(), right.receive(), iterator.next(), right.receive()]
  for (let index = 0; index < 4; index++) await left.send(`${index}`)
  const got = await Promise.all(waits)
  t.deepEqual(got.map((one) => (one.value ?? one).data.toString()), ['0', '1', '2', '3'])
})

test('return() cancels its own wait and loses nothing of the others', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const iterator = right[Symbol.asyncIterator]()
  const mine = iterator.next()
  const other = right.receive()
  t.deepEqual(await iterator.return(), { value: undefined, done: true })
  t.true((await mine).done)
  t.true((await iterator.next()).done)
  await left.send('kept')
  t.is((await other).data.toString(), 'kept')
})

test('breaking out of a loop loses nothing: the next receive, loop or batch goes on', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  for (let index = 0; index < 12; index++) left.send(`${index}`)
  await left.flush()
  const got = []
  for await (const { data } of right) {
    got.push(data.toString())
    if (got.length === 2) break
  }
  got.push(await text(right))
  for await (const { data } of right) {
    got.push(data.toString())
    if (got.length === 5) break
  }
  for await (const batch of right.batches()) {
    for (const { data } of batch) got.push(data.toString())
    break
  }
  t.deepEqual(got, Array.from({ length: 12 }, (_, index) => `${index}`))
})

test('a signal ends a receive with its reason and leaves the next message to others', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const controller = new AbortController()
  const aborted = right.receive({ signal: controller.signal })
  const other = right.receive()
  const reason = new Error('enough')
  controller.abort(reason)
  t.is(await t.throwsAsync(aborted), reason)
  t.is(await t.throwsAsync(right.receive({ signal: controller.signal })), reason)
  await left.send('kept')
  t.is((await other).data.toString(), 'kept')
})

for (const peer of peers) {
  test(`an adopted descriptor talks to a ${peer} client, and its file stays`, async (t) => {
    const path = place(t)
    const first = await UnixDatagram.bind(path)
    const fd = first.detach()
    t.is(first.fd, -1)
    await first.closed
    const socket = UnixDatagram.fromFd(fd)
    t.is(socket.fd, fd)
    await startPeer(t, peer, ['datagram', 'client', path, 'send:hello'])
    t.is(await text(socket), 'hello')
    await socket.close()
    t.true(existsSync(path))
    t.false(isOpen(fd))
  })
}

test('what is not a datagram socket is not adopted, and stays as it was', (t) => {
  const [left, right] = UnixStream.pair()
  const fd = left.detach()
  t.throws(() => UnixDatagram.fromFd(fd), { code: 'EPROTOTYPE', message: /stream socket, not a datagram/ })
  t.true(isOpen(fd))
  closeSync(fd)
  drop(right)
  t.throws(() => UnixDatagram.fromFd(2_000_000), { code: 'EBADF' })
  t.throws(() => UnixDatagram.fromFd(-1), { code: 'ERR_OUT_OF_RANGE' })
})

test('detach refuses to lose what was read ahead or not sent', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  for (const message of ['a', 'b', 'c']) left.send(message)
  await left.flush()
  for await (const _ of right) break
  t.throws(() => right.detach(), { code: 'ERR_READ_AHEAD', message: /2 messages/ })
  t.is(await text(right), 'b')
  t.is(await text(right), 'c')
  const receiver = await bound(t)
  const sender = unbound(t)
  const { sent, waiting } = await fill(sender, { to: receiver.address })
  t.throws(() => sender.detach(), { code: 'ERR_UNSENT' })
  for (let index = 0; index <= sent; index++) await receiver.receive()
  await waiting
  closeSync(sender.detach())
  closeSync(right.detach())
})

test('connecting elsewhere does not take unsent messages along', async (t) => {
  const [one, other] = [await bound(t), await bound(t)]
  const sender = unbound(t)
  sender.connect(one.address)
  const { waiting } = await fill(sender)
  t.throws(() => sender.connect(other.address), { code: 'ERR_UNSENT' })
  while (!(await isSettled(waiting))) await one.receive()
  await sender.flush()
  sender.connect(other.address)
  await sender.send('there')
  t.is(await text(other), 'there')
})

test('an idle socket lets the process end, a pending receive does not, an unreferenced one does', async (t) => {
  const idle = await ran(t, `
    import { UnixDatagram } from 'nearwire'
    const socket = await UnixDatagram.bind('auto')
    const waiting = await UnixDatagram.bind('auto')
    waiting.unref()
    waiting.receive()
  `)
  t.is(idle.code, 0, idle.stderr)
  const pending = await ran(t, `
    import { UnixDatagram } from 'nearwire'
    const [left, right] = UnixDatagram.pair()
    setTimeout(() => left.send('late'), 50).unref()
    setTimeout(() => process.exit(9), 5000).unref()
    console.log((await right.receive()).data.toString())
  `)
  t.is(pending.stdout, 'late\n')
  t.is(pending.code, 0, pending.stderr)
})

test('sockets work the same in workers, and go with them', async (t) => {
  const { Worker } = await import('node:worker_threads')
  const { once } = await import('node:events')
  const receiver = await bound(t)
  const worker = new Worker(`
    import('nearwire').then(async ({ UnixDatagram }) => {
      const socket = await UnixDatagram.bind('auto')
      await socket.send('from a worker', { to: { abstract: ${JSON.stringify(receiver.address.abstract.toString())} } })
      for await (const { data, from } of socket) socket.send(data, { to: from })
    })
  `, { eval: true })
  const { data, from } = await receiver.receive()
  t.is(data.toString(), 'from a worker')
  await receiver.send('echo', { to: from })
  t.is(await text(receiver), 'echo')
  const gone = once(worker, 'exit')
  await worker.terminate()
  await gone
  await t.throwsAsync(async () => receiver.send('x', { to: from }), { code: 'ECONNREFUSED' })
})

test('ref and unref answer the socket', (t) => {
  const socket = closing(t, UnixDatagram.unbound())
  t.is(socket.ref().unref().ref(), socket)
})

test('reading that somebody shut down is an error once what came before is read, not a wait that spins', async (t) => {
  const [one, other] = UnixDatagram.pair()
  t.teardown(() => Promise.all([one.close(), other.close()]))
  const waiting = other.receive()
  const shut = spawn('python3', ['-c', 'import socket; socket.socket(fileno=3).shutdown(socket.SHUT_RD)'], {
    stdio: ['ignore', 'ignore', 'inherit', other.fd],
  })
  t.deepEqual(await once(shut, 'close'), [0, null])
  await t.throwsAsync(waiting, { code: 'ESHUTDOWN', message: /SHUT_RD/ })
  await t.throwsAsync(async () => { for await (const _ of other); }, { code: 'ESHUTDOWN' })
  await t.throwsAsync(async () => one.send('x'), { code: 'EPIPE' })
})
