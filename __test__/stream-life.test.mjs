// The life of a handle: closing, disposal, ref and unref, giving the descriptor up, taking one over.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync, readSync, readdirSync, writeFileSync, writeSync } from 'node:fs'
import { createServer, connect as netConnect, Socket } from 'node:net'
import { once } from 'node:events'
import { SocketError, UnixDatagram, UnixListener, UnixSeqpacket, UnixStream } from 'nearwire'
import {
  abstractName, clog, closing, collect, connection, drop, isSettled, listening, pair, place, ran, readAll, readExactly,
} from './helpers/sockets.mjs'
import { startPeer } from './helpers/peers.mjs'

const closed = { instanceOf: SocketError, code: 'ERR_SOCKET_CLOSED' }

test('close settles everything that waits, closed resolves, and both may be asked again', async (t) => {
  const [left] = pair(t)
  const reads = [left.read(Buffer.alloc(1)), left.read(Buffer.alloc(1))]
  const iterating = collect(left)
  const { closed: isClosed } = left
  t.false(await isSettled(isClosed))
  const closing = left.close()
  t.is(left.close(), closing)
  for (const read of reads) {
    const error = await t.throwsAsync(read, closed)
    t.is(error.errno, 0)
  }
  t.deepEqual(await iterating, [])
  await closing
  await isClosed
  await left.closed
  await left.close()
  t.is(left.fd, -1)
})

test('everything on a closed stream is ERR_SOCKET_CLOSED, and iterating it is an end', async (t) => {
  const [left] = pair(t)
  await left.close()
  await t.throwsAsync(left.read(Buffer.alloc(1)), closed)
  await t.throwsAsync(left.write('x'), closed)
  t.throws(() => left.shutdown(), closed)
  t.throws(() => left.detach(), closed)
  t.throws(() => left.localAddress, closed)
  t.throws(() => left.remoteAddress, closed)
  t.throws(() => left.framed(), closed)
  t.throws(() => left.toDuplex(), closed)
  t.throws(() => left.toNetSocket(), closed)
  t.deepEqual(await collect(left), [])
  t.is(left.ref().unref(), left)
  t.is(left.ref(), left)
})

test('closed resolves whoever closes: the stream itself, or what was made of it', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  const both = Promise.all([left.closed, framed.closed])
  await framed.close()
  await both
  const duplex = right.toDuplex()
  duplex.destroy()
  await right.closed
  t.is(right.fd, -1)
})

test('close lets what was written out first, however long the peer takes', async (t) => {
  const [left, right] = pair(t)
  const size = 3 * 1024 * 1024
  const writing = clog(left, size)
  const closing = left.close()
  await t.throwsAsync(left.write('x'), closed)
  t.false(await isSettled(closing))
  t.is((await readAll(right)).length, size)
  await Promise.all([writing, closing])
})

test('close while bytes wait settles when the peer goes away instead', async (t) => {
  const [left, right] = pair(t)
  const writing = clog(left)
  const closing = left.close()
  await right.close()
  await closing
  await t.throwsAsync(writing, { instanceOf: SocketError })
  t.is(left.fd, -1)
})

test('destroy does not wait for a peer that does not read, also while close does: whoever sent is told', async (t) => {
  const streams = (open) => {
    const [left, right] = pair(t)
    return { left: open(left), right, send: (one) => one.write?.(Buffer.alloc(1 << 20)) ?? one.send(Buffer.alloc(1 << 20)) }
  }
  const messages = (Class) => {
    const [left, right] = Class.pair()
    t.teardown(() => right.close())
    return { left, right, send: (one) => one.send(Buffer.alloc(1 << 15)) }
  }
  const kinds = {
    UnixStream: streams((one) => one), FramedStream: streams((one) => one.framed()),
    UnixSeqpacket: messages(UnixSeqpacket), UnixDatagram: messages(UnixDatagram),
  }
  for (const [kind, { left, send }] of Object.entries(kinds)) {
    let waiting
    do waiting = send(left)
    while (waiting === undefined || await isSettled(waiting))
    const done = left.close()
    t.false(await isSettled(done), kind)
    await left.destroy()
    await Promise.all([done, left.closed, left.destroy()])
    await t.throwsAsync(waiting, closed, kind)
    t.is(left.fd, -1)
  }
  const [left, right] = pair(t)
  const writing = clog(left)
  await left.destroy()
  await t.throwsAsync(writing, closed)
  t.true((await readAll(right)).length > 0)
})

test('Symbol.asyncDispose closes, for every class', async (t) => {
  const { listener, client, server } = await connection(t)
  const framed = server.framed()
  for (const handle of [client, framed, listener]) {
    await handle[Symbol.asyncDispose]()
    t.is(handle.fd, -1)
  }
})

test('closing inside of what closing settles', async (t) => {
  const [left] = pair(t)
  const reading = left.read(Buffer.alloc(1)).catch(() => left.close())
  await left.close()
  await reading
  t.is(left.fd, -1)
})

/** More than fits into the kernel, a little at a time. */
const MANY = 'for (let i = 0; i < 10_000; i++) void a.send("x".repeat(100))'

test('the process stays for a pending operation, and goes without one', async (t) => {
  const cases = {
    'a pending read': ['const [a] = UnixStream.pair(); a.read(Buffer.alloc(1))', false],
    'an unreferenced pending read': ['const [a] = UnixStream.pair(); a.unref(); a.read(Buffer.alloc(1))', true],
    'a pending read, unreferenced later': ['const [a] = UnixStream.pair(); a.read(Buffer.alloc(1)); a.unref()', true],
    'referenced again': ['const [a] = UnixStream.pair(); a.unref(); a.read(Buffer.alloc(1)); a.ref()', false],
    'an idle pair': ['UnixStream.pair()', true],
    'an idle listener': ['await UnixListener.listen({ abstract })', true],
    'a pending accept': ['(await UnixListener.listen({ abstract })).accept()', false],
    'an unreferenced accept': ['(await UnixListener.listen({ abstract })).unref().accept()', true],
    'an aborted read': ['const [a] = UnixStream.pair(); const c = new AbortController(); a.read(Buffer.alloc(1), { signal: c.signal }).catch(() => {}); c.abort()', true],
    'a loop that was left': ['const [a, b] = UnixStream.pair(); await a.write("x"); for await (const _ of b) break', true],
    'a returned iterator': ['const [a] = UnixStream.pair(); const i = a[Symbol.asyncIterator](); i.next(); i.return()', true],
    'a write that waits': ['const [a] = UnixStream.pair(); a.write(Buffer.alloc(4e6))', false],
    'an unreferenced write that waits': ['const [a] = UnixStream.pair(); a.unref(); a.write(Buffer.alloc(4e6))', true],
    'framed messages that wait': [`const a = UnixStream.pair()[0].framed(); ${MANY}`, false],
    'unreferenced framed messages that wait': [`const a = UnixStream.pair()[0].framed().unref(); ${MANY}`, true],
    'framed messages that wait, unreferenced later': [
      `const a = UnixStream.pair()[0].framed(); ${MANY}; setTimeout(() => a.unref())`, true,
    ],
    'framed messages that wait, referenced again': [
      `const a = UnixStream.pair()[0].framed().unref(); ${MANY}; setTimeout(() => a.ref())`, false,
    ],
    'a duplex': ['UnixStream.pair()[0].toDuplex()', false],
    'a duplex whose peer has ended': ['const [a, b] = UnixStream.pair(); a.toDuplex(); b.close()', true],
    'a reading duplex': ['UnixStream.pair()[0].toDuplex().resume()', false],
    'an unreferenced duplex': ['UnixStream.pair()[0].toDuplex().unref()', true],
    'a closed read': ['const [a] = UnixStream.pair(); a.read(Buffer.alloc(1)).catch(() => {}); a.close()', true],
  }
  await Promise.all(Object.entries(cases).map(async ([name, [source, ends]]) => {
    const { code, stdout, stderr } = await ran(t, `
      import { UnixListener, UnixStream } from 'nearwire'
      const abstract = ${JSON.stringify(abstractName())}
      process.on('exit', () => { console.log('ended by itself') });
      ${source};
      // Whoever is still here after this is being kept.
      setTimeout(() => { process.removeAllListeners('exit'); console.log('kept'); process.exit() }, 1500).unref()
    `)
    t.is(code, 0, `${name}: ${stderr}`)
    t.is(stdout.trim(), ends ? 'ended by itself' : 'kept', name)
  }))
})

test('what was sent leaves before the process ends, by itself, by process.exit() and by an exception', async (t) => {
  for (const end of ['', 'process.exit(0)', 'throw new Error("expected")']) {
    const listener = await listening(t)
    const running = ran(t, `
      import { UnixStream } from 'nearwire'
      const framed = (await UnixStream.connect(process.argv.at(-1))).framed()
      for (let i = 0; i < 100; i++) framed.send('last words')
      ${end}
    `, { args: [listener.address.path] })
    const messages = await collect((await listener.accept()).framed())
    t.is(messages.length, 100, end)
    await running
  }
})

test('detach gives the descriptor up: ours touches it no more, the caller reads and closes it', async (t) => {
  const [left, right] = pair(t)
  const waiting = left.read(Buffer.alloc(1))
  const fd = left.detach()
  await t.throwsAsync(waiting, closed)
  t.true(fd > 2)
  t.is(left.fd, -1)
  await left.closed
  await left.close()
  await right.write('hello')
  const room = Buffer.alloc(8)
  t.is(readSync(fd, room), 5)
  writeSync(fd, 'back')
  t.is(String(await readExactly(right, 4)), 'back')
  closeSync(fd)
  t.is(await right.read(room), 0)
})

test('detach and fromFd: the same connection goes on', async (t) => {
  const { client, server } = await connection(t)
  const again = closing(t, UnixStream.fromFd(client.detach()))
  await again.write('x')
  t.is(String(await readExactly(server, 1)), 'x')
})

test('detach with bytes that wait to be sent is ERR_UNSENT, and the stream goes on', async (t) => {
  const [left, right] = pair(t)
  const size = 2 * 1024 * 1024
  const writing = clog(left, size)
  t.throws(() => left.detach(), { instanceOf: SocketError, code: 'ERR_UNSENT' })
  await readExactly(right, size)
  await writing
  drop(UnixStream.fromFd(left.detach()))
})

test('detach sends what was coalesced', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  framed.send('hello')
  const fd = framed.detach()
  t.is(String(await readExactly(right, 9)), '\0\0\0\x05hello')
  drop(UnixStream.fromFd(fd))
})

test('detach with bytes that were read ahead is ERR_READ_AHEAD, from the framed stream and from the one below', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  const receiver = right.framed()
  sender.send('one')
  sender.send('two')
  const iterator = receiver[Symbol.asyncIterator]()
  t.is(String((await iterator.next()).value), 'one')
  t.throws(() => receiver.detach(), { instanceOf: SocketError, code: 'ERR_READ_AHEAD', message: /7 bytes/ })
  t.throws(() => right.detach(), { instanceOf: SocketError, code: 'ERR_READ_AHEAD', message: /7 bytes/ })
  t.is(String((await iterator.next()).value), 'two')
  drop(UnixStream.fromFd(right.detach()))
})

test('detach with bytes in a duplex is ERR_READ_AHEAD too', async (t) => {
  const [left, right] = pair(t)
  const duplex = right.toDuplex()
  await left.write('abc')
  await once(duplex, 'readable')
  t.throws(() => right.detach(), { instanceOf: SocketError, code: 'ERR_READ_AHEAD', message: /3 bytes/ })
  t.is(String(duplex.read()), 'abc')
  drop(UnixStream.fromFd(right.detach()))
})

test('a stream that something else reads: ERR_STREAM_LOCKED', async (t) => {
  const locked = { instanceOf: SocketError, code: 'ERR_STREAM_LOCKED' }
  const [left, right] = pair(t)
  left.framed()
  right.toDuplex()
  for (const stream of [left, right]) {
    await t.throwsAsync(stream.read(Buffer.alloc(1)), locked)
    await t.throwsAsync(collect(stream), locked)
    t.throws(() => stream.framed(), locked)
    t.throws(() => stream.toDuplex(), locked)
    t.throws(() => stream.toNetSocket(), locked)
  }
  const [begun, peer] = pair(t)
  const loop = begun[Symbol.asyncIterator]()
  await peer.write('x')
  await loop.next()
  begun.toDuplex()
  await t.throwsAsync(loop.next(), locked)
  const [other] = pair(t)
  const pending = other.read(Buffer.alloc(1))
  t.throws(() => other.framed(), locked)
  t.throws(() => other.toDuplex(), locked)
  drop(other)
  await t.throwsAsync(pending, closed)
})

test('fromFd refuses what is not a connected stream socket, and leaves the descriptor as it was', async (t) => {
  const path = place(t)
  const file = openSync(place(t, 'file'), 'w+')
  writeFileSync(file, 'x')
  const tcp = createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const listener = await listening(t, path)
  const peer = await startPeer(t, 'c', ['seqpacket', 'server', { toString: () => `@${abstractName()}` }.toString(), '--connections=-1', 'pause'])
  const fifo = place(t, 'fifo')
  spawnSync('mkfifo', [fifo])
  const pipe = openSync(fifo, 'r+')
  const cases = [
    [file, 'ENOTSOCK'], [pipe, 'ENOTSOCK'], [tcp._handle.fd, 'EAFNOSUPPORT'], [listener.fd, 'EINVAL'], [987_654, 'EBADF'],
  ]
  for (const [fd, code] of cases) {
    const before = code === 'EBADF' ? '' : readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').replace(/pos:.*\n/, '')
    const error = t.throws(() => UnixStream.fromFd(fd), { instanceOf: SocketError, code })
    t.true(error.message.length > 20, error.message)
    if (code !== 'EBADF') {
      t.is(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').replace(/pos:.*\n/, ''), before, code)
      t.notThrows(() => fstatSync(fd))
    }
  }
  for (const [fd, code] of [[file, 'ENOTSOCK'], [pipe, 'ENOTSOCK'], [tcp._handle.fd, 'EAFNOSUPPORT'], [987_654, 'EBADF']]) {
    t.throws(() => UnixListener.fromFd(fd), { instanceOf: SocketError, code })
  }
  const [left] = pair(t)
  t.throws(() => UnixListener.fromFd(left.fd), { instanceOf: SocketError, code: 'EINVAL' })
  await left.write('still works')
  await peer.stop()
  closeSync(file)
  closeSync(pipe)
  tcp.close()
})

test('fromFd takes a socket of another type for what it is: EPROTOTYPE', async (t) => {
  // The descriptors are inherited: a datagram pair from Python, which nothing here could make.
  if (spawnSync('python3', ['-c', '']).status !== 0) {
    t.log('skipped: no python3')
    return t.pass()
  }
  const { code, stdout, stderr } = await ran(t, `
    import { UnixListener, UnixStream } from 'nearwire'
    import { fstatSync } from 'node:fs'
    for (const fd of process.argv.at(-1).split(',').map(Number)) {
      for (const make of [UnixStream.fromFd, UnixListener.fromFd]) {
        try { make(fd); console.log('taken') } catch (error) { console.log(error.code, fstatSync(fd).isSocket()) }
      }
    }
  `, {
    command: ['python3', '-c', [
      'import os, socket, sys',
      'a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)',
      'c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)',
      'e = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)',
      'for s in (a, c, e): s.set_inheritable(True)',
      'os.execv(sys.argv[1], sys.argv[1:] + [",".join(str(s.fileno()) for s in (a, c, e))])',
    ].join('\n')],
  })
  t.is(code, 0, stderr)
  t.deepEqual(stdout.trim().split('\n'), [
    'EPROTOTYPE true', 'EINVAL true', 'EPROTOTYPE true', 'EINVAL true', 'ENOTCONN true', 'EINVAL true',
  ])
})

test('fromFd of a blocking descriptor makes it non-blocking and closed on exec', async (t) => {
  if (spawnSync('python3', ['-c', '']).status !== 0) {
    t.log('skipped: no python3')
    return t.pass()
  }
  const { code, stdout, stderr } = await ran(t, `
    import { UnixListener, UnixStream } from 'nearwire'
    import { readFileSync } from 'node:fs'
    const [listening, connected] = process.argv.at(-1).split(',').map(Number)
    const flags = (fd) => Number.parseInt(/flags:\\s+(\\d+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8)
    const listener = UnixListener.fromFd(listening)
    const stream = UnixStream.fromFd(connected)
    const [client, server] = await Promise.all([UnixStream.connect(listener.address), listener.accept()])
    await client.write('x')
    console.log(await server.read(Buffer.alloc(1)), await stream.read(Buffer.alloc(8)))
    console.log([listener.fd, stream.fd].every((fd) => (flags(fd) & 0o2004000) === 0o2004000))
  `, {
    command: ['python3', '-c', [
      'import os, socket, sys',
      'l = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)',
      `l.bind("\\0${abstractName()}")`,
      'l.listen()',
      'a, b = socket.socketpair()',
      'b.send(b"hello")',
      'for s in (a, l): s.set_inheritable(True)',
      'os.execv(sys.argv[1], sys.argv[1:] + [f"{l.fileno()},{a.fileno()}"])',
    ].join('\n')],
  })
  t.is(code, 0, stderr)
  t.is(stdout, '1 5\ntrue\n')
})

test('toNetSocket hands the connection to Node, whole', async (t) => {
  const { client, server } = await connection(t)
  await client.write('before')
  const socket = server.toNetSocket()
  t.teardown(() => socket.destroy())
  t.true(socket instanceof Socket)
  t.is(server.fd, -1)
  await server.closed
  t.is(String((await once(socket, 'data'))[0]), 'before')
  socket.write('from net')
  t.is(String(await readExactly(client, 8)), 'from net')
  client.shutdown()
  await once(socket, 'end')
  await once(socket, 'close')
  t.is(await client.read(Buffer.alloc(1)), 0)
})

test('a socket of node:net, given up by it, is taken over', async (t) => {
  // node:net has no way to give a descriptor up, so a duplicate is opened by a child that inherits it as its fd 3.
  const { code, stdout, stderr } = await ran(t, `
    import { spawn } from 'node:child_process'
    import { UnixStream } from 'nearwire'
    if (process.argv.at(-1) === 'child') {
      const stream = UnixStream.fromFd(3)
      for await (const chunk of stream) await stream.write(String(chunk).toUpperCase())
      await stream.close()
    } else {
      const child = spawn(process.execPath, [...process.execArgv, '--', 'child'], { stdio: ['inherit', 'inherit', 'inherit', 'pipe'] })
      const socket = child.stdio[3]
      socket.end('hello')
      for await (const chunk of socket) console.log(String(chunk))
    }
  `)
  t.is(code, 0, stderr)
  t.is(stdout, 'HELLO\n')
})

test('closing in a worker, ending a worker: no descriptor is left', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { readdirSync } from 'node:fs'
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    import { UnixStream } from 'nearwire'
    const sockets = () => readdirSync('/proc/self/fd').length
    const source = \`
      import { parentPort } from 'node:worker_threads'
      import { UnixListener, UnixStream } from 'nearwire'
      const [a, b] = UnixStream.pair()
      const listener = await UnixListener.listen({ abstract: 'w' + process.pid + Math.random() })
      listener.accept()
      a.read(Buffer.alloc(1))
      b.write(Buffer.alloc(4e6))
      parentPort.postMessage('busy')
    \`
    const run = async () => {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source.replaceAll("'nearwire'", JSON.stringify(import.meta.resolve('nearwire'))))))
      await once(worker, 'message')
      await worker.terminate()
    }
    await run()
    const before = sockets()
    for (let round = 0; round < 20; round++) await run()
    console.log(sockets() - before)
  `)
  t.is(code, 0, stderr)
  t.is(stdout, '0\n')
})

test('net.connect hands back what was read ahead of nobody: an echo through detach on both sides', async (t) => {
  const listener = await listening(t)
  const socket = netConnect(listener.address.path)
  t.teardown(() => socket.destroy())
  const stream = await listener.accept()
  const again = closing(t, UnixStream.fromFd(stream.detach()))
  socket.write('x')
  t.is(String(await readExactly(again, 1)), 'x')
  t.true(readdirSync('/proc/self/fd').length > 0)
})
