// Accepting: in order, with a signal, by iteration; and the end of a listener.
import test from 'ava'
import { SocketError, UnixListener, UnixStream } from 'nearwire'
import { abstractName, closing, collect, drop, isSettled, listening, place, ran, readExactly } from './helpers/sockets.mjs'
import { startPeer } from './helpers/peers.mjs'

const closed = { instanceOf: SocketError, code: 'ERR_SOCKET_CLOSED' }

test('calls to accept() that overlap get their connections in order', async (t) => {
  const listener = await listening(t)
  const order = []
  const accepting = Array.from({ length: 20 }, async (_, index) => {
    const stream = await listener.accept()
    order.push(index)
    return (await readExactly(stream, 1))[0]
  })
  const clients = []
  for (let index = 0; index < 20; index++) {
    const client = closing(t, await UnixStream.connect(listener.address))
    await client.write(Buffer.of(index))
    clients.push(client)
  }
  const inOrder = clients.map((_, index) => index)
  t.deepEqual(await Promise.all(accepting), inOrder)
  t.deepEqual(order, inOrder)
})

test('a connection that came before accept() is there at once', async (t) => {
  const listener = await listening(t)
  const client = closing(t, await UnixStream.connect(listener.address))
  await client.write('early')
  const server = closing(t, await listener.accept())
  t.is(String(await readExactly(server, 5)), 'early')
})

test('aborting one accept leaves the others alone and loses no connection', async (t) => {
  const listener = await listening(t)
  const controller = new AbortController()
  const first = listener.accept({ signal: controller.signal })
  const second = listener.accept()
  t.false(await isSettled(second))
  const reason = new Error('no')
  controller.abort(reason)
  t.is(await t.throwsAsync(first), reason)
  const client = closing(t, await UnixStream.connect(listener.address))
  await client.write('x')
  t.is(String(await readExactly(closing(t, await second), 1)), 'x')
  t.is(await t.throwsAsync(listener.accept({ signal: controller.signal })), reason)
  await t.throwsAsync(listener.accept({ signal: 7 }), { code: 'ERR_INVALID_ARG_TYPE', message: /options\.signal/ })
})

test('iterating, breaking out, iterating again, closing', async (t) => {
  const listener = await UnixListener.listen({ abstract: abstractName() })
  const clients = []
  for (let index = 0; index < 4; index++) {
    const client = closing(t, await UnixStream.connect(listener.address))
    await client.write(Buffer.of(index))
    clients.push(client)
  }
  const seen = []
  for await (const stream of listener) {
    seen.push((await readExactly(stream, 1))[0])
    drop(stream)
    if (seen.length === 2) break
  }
  const rest = []
  for await (const stream of listener) {
    rest.push((await readExactly(stream, 1))[0])
    drop(stream)
    if (rest.length === 2) void listener.close()
  }
  t.deepEqual([seen, rest], [[0, 1], [2, 3]])
  t.deepEqual(await collect(listener), [])
})

test('close settles every accept, ends every loop, gives queued clients ECONNRESET', async (t) => {
  const listener = await UnixListener.listen(place(t))
  const queued = closing(t, await UnixStream.connect(listener.address))
  await queued.write('never read')
  await listener.close()
  await t.throwsAsync(queued.read(Buffer.alloc(1)), { instanceOf: SocketError, code: 'ECONNRESET' })

  const other = await UnixListener.listen(place(t))
  const accepting = [other.accept(), other.accept()]
  const iterating = collect(other)
  const closing_ = other.close()
  t.is(other.close(), closing_)
  await closing_
  await other.closed
  for (const accept of accepting) await t.throwsAsync(accept, closed)
  t.deepEqual(await iterating, [])
  await t.throwsAsync(other.accept(), closed)
  t.is(other.fd, -1)
  t.throws(() => other.detach(), closed)
})

test('out of descriptors: EMFILE, the connection stays queued, and is accepted once there is room', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { closeSync, openSync } from 'node:fs'
    import { UnixListener, UnixStream } from 'nearwire'
    const listener = await UnixListener.listen({ abstract: ${JSON.stringify(abstractName())} })
    const client = await UnixStream.connect(listener.address)
    await client.write('x')
    const hoard = []
    try { for (;;) hoard.push(openSync('/dev/null')) } catch (error) { console.log(error.code) }
    try { await listener.accept() } catch (error) { console.log(error.code, error.syscall) }
    try { await UnixStream.connect(listener.address) } catch (error) { console.log(error.code, error.syscall) }
    try { UnixStream.pair() } catch (error) { console.log(error.code, error.syscall) }
    hoard.forEach((fd) => closeSync(fd))
    const server = await listener.accept()
    console.log(await server.read(Buffer.alloc(8)))
    process.exit()
  `, { command: ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'] })
  t.is(code, 0, stderr)
  t.is(stdout, 'EMFILE\nEMFILE accept\nEMFILE socket\nEMFILE socketpair\n1\n')
})

test('detach hands the listening descriptor over: its name stays, and another listener goes on with it', async (t) => {
  const path = place(t)
  const first = await UnixListener.listen(path)
  const waiting = closing(t, await UnixStream.connect(path))
  await waiting.write('x')
  const second = closing(t, UnixListener.fromFd(first.detach()))
  t.is(first.fd, -1)
  await first.closed
  const server = closing(t, await second.accept())
  t.is(String(await readExactly(server, 1)), 'x')
  await second.close()
  // It never was the second one's to remove.
  await t.throwsAsync(UnixStream.connect(path), { code: 'ECONNREFUSED' })
})

test('a backlog of connections from another program, many at a time', async (t) => {
  const listener = await listening(t)
  const peers = await Promise.all(Array.from({ length: 5 }, () => startPeer(t, 'c', ['stream', 'client', listener.address.path, 'echo-check:100000'])))
  for (let index = 0; index < peers.length; index++) {
    const stream = await listener.accept()
    void (async () => {
      for await (const chunk of stream) await stream.write(chunk)
      await stream.close()
    })()
  }
  for (const peer of peers) t.true((await peer.result('echo-check')).intact)
})

test('a thousand connections, each in use', async (t) => {
  const listener = await listening(t)
  const serving = (async () => {
    for await (const stream of listener) {
      void (async () => {
        for await (const chunk of stream) await stream.write(chunk)
        await stream.close()
      })()
    }
  })()
  const clients = await Promise.all(Array.from({ length: 1000 }, () => UnixStream.connect(listener.address)))
  for (let round = 0; round < 3; round++) {
    await Promise.all(clients.map((client, index) => client.write(`${round} ${index}`)))
    const answers = await Promise.all(clients.map((client, index) => readExactly(client, `${round} ${index}`.length)))
    t.true(answers.every((answer, index) => String(answer) === `${round} ${index}`))
  }
  await Promise.all(clients.map((client) => client.close()))
  await listener.close()
  await serving
})
