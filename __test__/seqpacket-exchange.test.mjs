// Seqpacket: messages over a connection, with programs that know nothing of nearwire in both roles.
import test from 'ava'
import { UnixSeqpacket, UnixSeqpacketListener, UnixStream, UnixListener, UnixDatagram } from 'nearwire'
import { fill, pairOf, seqpackets, text } from './helpers/messages.mjs'
import { numberedMessage, pattern, peers, startPeer } from './helpers/peers.mjs'
import { abstractName, closing, collect, isSettled, place } from './helpers/sockets.mjs'

for (const peer of peers) {
  test(`a ${peer} client: messages one by one, empty ones too, then the end`, async (t) => {
    const path = place(t)
    const listener = closing(t, await UnixSeqpacketListener.listen(path))
    t.deepEqual(listener.address, { path })
    const client = await startPeer(t, peer, [
      'seqpacket', 'client', path, 'send:one', 'send:', 'send:three', 'receive', 'receive', 'send:', 'shutdown:write', 'receive',
    ])
    const socket = closing(t, await listener.accept())
    t.deepEqual(socket.localAddress, { path })
    t.is(socket.peer.pid, client.process.pid)
    for (const expected of ['one', '', 'three']) t.is(await text(socket), expected)
    await socket.send('answer')
    await socket.send('')
    t.like(await client.result('receive'), { data: 'answer', end: false })
    t.like(await client.result('receive'), { length: 0, end: false })
    t.is(await text(socket), '', 'an empty message right before the end')
    t.is(await socket.receive(), null)
    t.is(await socket.receive(), null)
    await socket.send('last')
    t.is((await client.result('receive')).data, 'last')
  })

  test(`a ${peer} server: messages, then the end`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, peer, ['seqpacket', 'server', path, 'receive', 'receive', 'send:a', 'send:', 'send:b'])
    const socket = closing(t, await UnixSeqpacket.connect(path))
    t.deepEqual(socket.remoteAddress, { path })
    await socket.send('hello')
    await socket.send('')
    t.like(await server.result('receive'), { data: 'hello', end: false })
    t.like(await server.result('receive'), { length: 0, end: false })
    const got = await collect(socket)
    t.deepEqual(got.map(({ data, from }) => [data.toString(), from]), [['a', null], ['', null], ['b', null]])
  })

  test(`2,000 messages from a ${peer} client arrive whole and in order, iterated and in batches`, async (t) => {
    for (const how of ['iterate', 'batches']) {
      const listener = closing(t, await UnixSeqpacketListener.listen({ abstract: abstractName() }))
      await startPeer(t, peer, ['seqpacket', 'client', `@${listener.address.abstract}`, 'send-messages:2000x300'])
      const socket = closing(t, await listener.accept())
      const got = how === 'iterate'
        ? (await collect(socket)).map(({ data }) => data)
        : (await collect(mapped(socket.batches()))).flat()
      t.is(got.length, 2000)
      got.forEach((data, index) => { if (!data.equals(numberedMessage(300, index))) t.fail(`message ${index} is damaged`) })
    }
  })

  test(`2,000 messages to a ${peer} server arrive whole and in order, awaited or not`, async (t) => {
    for (const awaits of [true, false]) {
      const path = place(t)
      const server = await startPeer(t, peer, ['seqpacket', 'server', path, 'receive-messages:2000x300'])
      const socket = closing(t, await UnixSeqpacket.connect(path))
      for (let index = 0; index < 2000; index++) {
        const waiting = socket.send(numberedMessage(300, index))
        if (awaits) await waiting
      }
      await socket.flush()
      t.like(await server.result('receive-messages'), { messages: 2000, intact: true })
    }
  })

  test(`a ${peer} server echoes`, async (t) => {
    const path = place(t)
    await startPeer(t, peer, ['seqpacket', 'server', path, 'echo'])
    const socket = closing(t, await UnixSeqpacket.connect(path))
    for (const size of [1, 0, 100, 5000, 0, 60_000]) {
      await socket.send(pattern(size))
      t.true((await socket.receive()).data.equals(pattern(size)))
    }
    socket.shutdown()
    t.is(await socket.receive(), null)
  })
}

/** The data of each batch, taken while it is the last one. */
async function* mapped(batches) {
  for await (const batch of batches) yield [...batch].map(({ data }) => data)
}

// How an empty message is told from the end depends on whether the peer has a name, so each way to get a socket is here.
const toServer = ({ client, server }) => [client, server]
const connections = {
  'a pair': async (t) => pairOf(t, UnixSeqpacket),
  'client to server': async (t) => toServer(await seqpackets(t)),
  'server to client': async (t) => toServer(await seqpackets(t)).reverse(),
  'a named client to a server': async (t) =>
    toServer(await seqpackets(t, undefined, { bind: { abstract: abstractName() } })),
  'a client to an adopted server': async (t) => {
    const { client, server } = await seqpackets(t)
    return [client, closing(t, UnixSeqpacket.fromFd(server.detach()))]
  },
  'an adopted pair': async (t) =>
    pairOf(t, UnixSeqpacket).map((socket) => closing(t, UnixSeqpacket.fromFd(socket.detach()))),
}
const readings = {
  receive: async (socket) => {
    const got = []
    for (let message; (message = await socket.receive()) !== null;) got.push(message.data.toString())
    return got
  },
  iterate: async (socket) => (await collect(socket)).map(({ data }) => data.toString()),
  batches: async (socket) => (await collect(mapped(socket.batches()))).flat().map(String),
}

for (const [how, connect] of Object.entries(connections)) {
  test(`empty messages are never an end, alone, many, last: ${how}`, async (t) => {
    for (const [reading, read] of Object.entries(readings)) {
      const [left, right] = await connect(t)
      for (const message of ['', '', 'x', '']) left.send(message)
      await left.flush()
      await left.close()
      t.deepEqual(await read(right), ['', '', 'x', ''], reading)
      t.is(await right.receive(), null)
      t.is(await right.receive({ peek: true }), null)
    }
  })

  test(`times come when asked for, and only then: ${how}`, async (t) => {
    const [left, right] = await connect(t)
    await left.send('x')
    t.is((await right.receive()).timestamp, null)
    const timed = closing(t, UnixSeqpacket.fromFd(right.detach(), { timestamps: true }))
    const before = Date.now()
    await left.send('y')
    const { timestamp } = await timed.receive()
    t.true(timestamp >= before - 1 && timestamp <= Date.now() + 1, `${timestamp} ${before}`)
  })
}

for (const [reading, read] of Object.entries(readings)) {
  test(`empty messages of a client without a name are never an end: ${reading}`, async (t) => {
    const path = place(t)
    const listener = closing(t, await UnixSeqpacketListener.listen(path))
    const client = await startPeer(t, 'python', ['seqpacket', 'client', path, 'send:', 'send:', 'send:x', 'send:'])
    t.deepEqual(await read(closing(t, await listener.accept())), ['', '', 'x', ''])
    await client.exited
  })
}

test('times of accepted, connected and paired sockets', async (t) => {
  const { client, server } = await seqpackets(t, { timestamps: true }, { timestamps: true })
  for (const [left, right] of [[client, server], [server, client], pairOf(t, UnixSeqpacket, { timestamps: true })]) {
    await left.send('x')
    t.true(Math.abs((await right.receive()).timestamp - Date.now()) < 10_000)
  }
})

test('a client that was not named has an abstract name of the kernel\'s', async (t) => {
  const { client, server } = await seqpackets(t)
  t.regex(client.localAddress.abstract.toString(), /^[0-9a-f]{5}$/)
  t.deepEqual(server.remoteAddress, client.localAddress)
})

test('a waiting receive is told of the end, and of an empty message', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket)
  const waiting = right.receive()
  const end = right.receive()
  t.false(await isSettled(waiting))
  await left.send('')
  t.is((await waiting).data.length, 0)
  left.shutdown()
  t.is(await end, null)
  await right.send('the other way is open')
  t.is(await text(left), 'the other way is open')
})

test('messages of every size arrive whole by default; maxLength cuts and says so', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket, { sendBuffer: 1024 * 1024 })
  const sizes = [0, 1, 4096, 4097, 16_385, 100_000, 200_000]
  const sending = (async () => { for (const size of sizes) await left.send(pattern(size)) })()
  for (const size of sizes) {
    const { data, truncated } = await right.receive()
    t.true(data.equals(pattern(size)), `${size}`)
    t.false(truncated)
  }
  await sending
  await left.send(pattern(100))
  t.like(await right.receive({ maxLength: 10 }), { truncated: true, fullLength: 100, data: pattern(10) })
  await left.send(pattern(100))
  t.like(await right.receive({ peek: true, maxLength: 10 }), { truncated: true, fullLength: 100, data: pattern(10) })
  t.like(await right.receive(), { truncated: false, fullLength: 100 })
})

test('a peer that does not read makes the sender wait idle, and reading wakes it', async (t) => {
  const { client, server } = await seqpackets(t)
  const { sent, waiting } = await fill(client)
  t.false(await isSettled(waiting))
  const controller = new AbortController()
  const aborted = client.send('aborted', { signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const after = client.send('after')
  for (let index = 0; index <= sent; index++) t.is(await text(server), `fill ${index}`)
  t.is(await text(server), 'after')
  await Promise.all([waiting, after, client.flush()])
})

test('the death of a peer wakes the waiting sender; what follows is told the same', async (t) => {
  const path = place(t)
  const server = await startPeer(t, 'c', ['seqpacket', 'server', path, 'pause'])
  const socket = closing(t, await UnixSeqpacket.connect(path))
  const { waiting } = await fill(socket)
  const failing = t.throwsAsync(waiting)
  await server.stop()
  t.regex((await failing).code, /^(EPIPE|ECONNRESET)$/)
  t.throws(() => socket.send('x'), { code: /^(EPIPE|ECONNRESET)$/.test((await failing).code) ? (await failing).code : '' })
  await t.throwsAsync(socket.flush())
})

test('a peer that closes with unread messages: ECONNRESET after what it sent', async (t) => {
  const path = place(t)
  await startPeer(t, 'c', ['seqpacket', 'server', path, 'send:before', 'wait-queued:1'])
  const socket = closing(t, await UnixSeqpacket.connect(path))
  t.is(await text(socket), 'before')
  await socket.send('unread')
  await t.throwsAsync(socket.receive(), { code: 'ECONNRESET', message: /without reading/ })
  t.is(await socket.receive(), null)
})

test('peeking leaves the ECONNRESET of a peer that closes with unread messages', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket)
  await left.send('unread')
  await right.send('last')
  await right.close()
  t.is((await left.receive({ peek: true })).data.toString(), 'last')
  t.is(await text(left), 'last')
  for (let times = 0; times < 2; times++) await t.throwsAsync(left.receive({ peek: true }), { code: 'ECONNRESET' })
  await t.throwsAsync(left.receive(), { code: 'ECONNRESET' })
  t.is(await left.receive(), null)
})

for (const [reading, read] of Object.entries(readings)) {
  // The kernel tells it first, and gives the messages afterwards.
  test(`a peer that closes with unread messages: what it had sent comes before ECONNRESET: ${reading}`, async (t) => {
    const [left, right] = pairOf(t, UnixSeqpacket)
    await left.send('unread')
    for (const message of ['a', '', 'c']) await right.send(message)
    await right.close()
    const got = []
    const noting = {
      receive: async () => {
        const message = await left.receive()
        if (message !== null) got.push(message.data.toString())
        return message
      },
      async *[Symbol.asyncIterator]() {
        for await (const message of left) {
          got.push(message.data.toString())
          yield message
        }
      },
      async *batches() {
        for await (const batch of left.batches()) {
          const all = [...batch]
          got.push(...all.map(({ data }) => data.toString()))
          yield all
        }
      },
    }
    await t.throwsAsync(read(noting), { code: 'ECONNRESET', message: /without reading/ })
    t.deepEqual(got, ['a', '', 'c'])
    t.is(await left.receive(), null)
  })
}

test('shutdown lets what waits go out first, then the peer reads the end; more is refused', async (t) => {
  const { client, server } = await seqpackets(t)
  const { sent, waiting } = await fill(client)
  client.shutdown()
  t.throws(() => client.send('late'), { code: 'EPIPE' })
  for (let index = 0; index <= sent; index++) t.is(await text(server), `fill ${index}`)
  t.is(await server.receive(), null)
  await waiting
  await server.send('answer')
  t.is(await text(client), 'answer')
  client.shutdown('both')
  await t.throwsAsync(async () => {
    await server.send('x')
    await server.flush()
  }, { code: 'EPIPE' })
  t.throws(() => server.send('x'), { code: 'EPIPE' })
  t.throws(() => client.shutdown('nonsense'), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('close lets what waits go out first', async (t) => {
  const { client, server } = await seqpackets(t)
  const { sent, waiting } = await fill(client)
  const done = client.close()
  const got = await collect(server)
  t.is(got.length, sent + 1)
  await Promise.all([waiting, done])
})

test('connecting: a full backlog waits until the timeout or the signal, and then until there is room', async (t) => {
  const listener = closing(t, await UnixSeqpacketListener.listen({ abstract: abstractName() }, { backlog: 0 }))
  closing(t, await UnixSeqpacket.connect(listener.address))
  await t.throwsAsync(UnixSeqpacket.connect(listener.address, { timeout: 30 }), { code: 'ETIMEDOUT', message: /backlog is full/ })
  const controller = new AbortController()
  const aborted = UnixSeqpacket.connect(listener.address, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const waiting = UnixSeqpacket.connect(listener.address, { timeout: 5000 })
  closing(t, await listener.accept())
  closing(t, await waiting)
  closing(t, await listener.accept())
})

test('other types of sockets are told apart', async (t) => {
  const [stream, seqpacket] = [place(t), place(t)]
  closing(t, await UnixListener.listen(stream))
  closing(t, await UnixSeqpacketListener.listen(seqpacket))
  await t.throwsAsync(UnixSeqpacket.connect(stream), { code: 'EPROTOTYPE' })
  await t.throwsAsync(UnixStream.connect(seqpacket), { code: 'EPROTOTYPE' })
  const datagram = closing(t, UnixDatagram.unbound())
  t.throws(() => datagram.connect(seqpacket), { code: 'EPROTOTYPE' })
  await t.throwsAsync(UnixSeqpacket.connect(`${stream}-none`), { code: 'ENOENT' })
  const [left, right] = UnixStream.pair()
  t.throws(() => UnixSeqpacket.fromFd(left.fd), { code: 'EPROTOTYPE' })
  t.throws(() => UnixSeqpacketListener.fromFd(left.fd), { code: 'EINVAL' })
  await Promise.all([left.close(), right.close()])
})

test('adopted descriptors go on: a connection and a listener', async (t) => {
  const path = place(t)
  const first = await UnixSeqpacketListener.listen(path)
  const listener = closing(t, UnixSeqpacketListener.fromFd(first.detach()))
  const client = await UnixSeqpacket.connect(path)
  const server = closing(t, await listener.accept())
  const adopted = closing(t, UnixSeqpacket.fromFd(client.detach()))
  adopted.send('')
  await adopted.send('x')
  t.is(await text(server), '')
  t.is(await text(server), 'x')
  adopted.shutdown()
  t.is(await server.receive(), null)
})

test('a descriptor handed over brings no control messages that its next owner did not ask for', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket)
  const { spawn } = await import('node:child_process')
  const { once } = await import('node:events')
  const { closeSync } = await import('node:fs')
  const fd = right.detach()
  const child = spawn('python3', ['-c', `
import socket
s = socket.socket(fileno=3)
print(s.recvmsg(100, 1000))
`], { stdio: ['ignore', 'pipe', 'inherit', fd] })
  closeSync(fd)
  let output = ''
  child.stdout.on('data', (chunk) => { output += chunk })
  await left.send('x')
  await once(child, 'close')
  t.is(output.trim(), "(b'x', [], 128, None)".replace('128', /, (\d+), /.exec(output)[1]))
})

test('accepting: iteration, close, abort', async (t) => {
  const listener = await UnixSeqpacketListener.listen({ abstract: abstractName() })
  const clients = await Promise.all([1, 2, 3].map(() => UnixSeqpacket.connect(listener.address)))
  let count = 0
  for await (const server of listener) {
    closing(t, server)
    if (++count === 3) break
  }
  const controller = new AbortController()
  const aborted = listener.accept({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const waiting = listener.accept()
  await listener.close()
  await t.throwsAsync(waiting, { code: 'ERR_SOCKET_CLOSED' })
  for (const client of clients) closing(t, client)
})

test('coalesced messages leave in order whatever their sizes, and without waiting for anything', async (t) => {
  const { client, server } = await seqpackets(t)
  const sizes = Array.from({ length: 500 }, (_, index) => (index % 37 === 0 ? 20_000 : index % 7))
  for (const [index, size] of sizes.entries()) void client.send(pattern(size, index))
  const flushed = client.flush()
  for (const [index, size] of sizes.entries()) {
    if (!(await server.receive()).data.equals(pattern(size, index))) t.fail(`message ${index}`)
  }
  await flushed
  t.pass()
})

test('close settles what waits, and everything afterwards is ERR_SOCKET_CLOSED', async (t) => {
  const [left] = pairOf(t, UnixSeqpacket)
  const wait = left.receive()
  const iterating = collect(left)
  await left.close()
  await t.throwsAsync(wait, { code: 'ERR_SOCKET_CLOSED' })
  t.deepEqual(await iterating, [])
  t.throws(() => left.send('x'), { code: 'ERR_SOCKET_CLOSED' })
  await t.throwsAsync(left.flush(), { code: 'ERR_SOCKET_CLOSED' })
  t.throws(() => left.shutdown(), { code: 'ERR_SOCKET_CLOSED' })
})
