// Connecting: what it gives, how it waits, and why it fails.
import test from 'ava'
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { SocketError, UnixListener, UnixStream } from 'nearwire'
import { closing, connection, directory, drop, isSettled, listening, place, program, ran, readExactly, until } from './helpers/sockets.mjs'
import { startPeer } from './helpers/peers.mjs'

test('both ends of a connection know the name it was made with', async (t) => {
  const { listener, client, server } = await connection(t)
  t.deepEqual(client.remoteAddress, listener.address)
  t.deepEqual(server.localAddress, listener.address)
  t.deepEqual(client.localAddress, { unnamed: true })
  t.deepEqual(server.remoteAddress, { unnamed: true })
  await client.write('A')
  t.is(String(await readExactly(server, 1)), 'A')
  await server.write('B')
  t.is(String(await readExactly(client, 1)), 'B')
})

test('bind gives this end a path, which is removed with the connection', async (t) => {
  const bind = place(t, 'client')
  const { client, server } = await connection(t, { bind })
  t.deepEqual(client.localAddress, { path: bind })
  t.deepEqual(server.remoteAddress, { path: bind })
  await client.close()
  t.throws(() => readFileSync(bind), { code: 'ENOENT' })
})

test('bind to a name that another socket holds is EADDRINUSE', async (t) => {
  const listener = await listening(t)
  await t.throwsAsync(UnixStream.connect(listener.address, { bind: listener.address }), {
    instanceOf: SocketError, code: 'EADDRINUSE', message: /bind EADDRINUSE .*running process/,
  })
})

test('no socket file', async (t) => {
  const path = place(t)
  const error = await t.throwsAsync(UnixStream.connect(path), { instanceOf: SocketError, code: 'ENOENT' })
  t.is(error.errno, 2)
  t.is(error.syscall, 'connect')
  t.is(error.address, path)
  t.is(error.name, 'SocketError')
  t.true(error.message.startsWith(`connect ENOENT ${path}: `), error.message)
})

test('a stale socket file: the message says that nobody listens there', async (t) => {
  const path = place(t)
  const listener = await UnixListener.listen(path, { unlinkOnClose: false })
  await listener.close()
  const error = await t.throwsAsync(UnixStream.connect(path), { instanceOf: SocketError, code: 'ECONNREFUSED' })
  t.is(error.errno, 111)
  t.is(error.address, path)
  t.regex(error.message, /nobody listens/)
})

for (const [what, make, said] of [
  ['a regular file', (path) => writeFileSync(path, 'precious'), /regular file/],
  ['a directory', (path) => mkdirSync(path), /directory/],
]) {
  test(`${what} is not a socket, and the message says so`, async (t) => {
    const path = place(t)
    make(path)
    const error = await t.throwsAsync(UnixStream.connect(path), { instanceOf: SocketError, code: 'ECONNREFUSED' })
    t.regex(error.message, said)
  })
}

test('a symbolic link to a socket is followed, a circle of links is ELOOP', async (t) => {
  const listener = await listening(t)
  const link = place(t, 'link')
  symlinkSync(listener.address.path, link)
  const [client, server] = await Promise.all([UnixStream.connect(link), listener.accept()])
  await Promise.all([client.close(), server.close()])
  const circle = place(t, 'circle')
  symlinkSync(circle, circle)
  await t.throwsAsync(UnixStream.connect(circle), { instanceOf: SocketError, code: 'ELOOP' })
})

test('a file in place of a directory is ENOTDIR', async (t) => {
  const file = place(t, 'file')
  writeFileSync(file, '')
  await t.throwsAsync(UnixStream.connect(join(file, 'socket')), { instanceOf: SocketError, code: 'ENOTDIR' })
})

for (const kind of ['datagram', 'seqpacket']) {
  test(`a ${kind} socket is EPROTOTYPE`, async (t) => {
    const path = place(t)
    await startPeer(t, 'c', [kind, 'server', path, ...(kind === 'seqpacket' ? ['--connections=-1'] : []), 'pause'])
    await t.throwsAsync(UnixStream.connect(path), {
      instanceOf: SocketError, code: 'EPROTOTYPE', message: /not a stream socket|another type/,
    })
  })
}

test('which permission was missing', async (t) => {
  // Root may do anything, so this runs as somebody else where it can.
  const { code, stdout, stderr } = await ran(t, `
    import { chmodSync, mkdirSync } from 'node:fs'
    import { UnixListener, UnixStream } from 'nearwire'
    if (process.getuid() === 0) {
      process.setgroups([])
      process.setgid(65534)
      process.setuid(65534)
    }
    const folder = process.argv.at(-1)
    const tell = async (promise) => {
      try { await promise; console.log('no error') } catch (error) { console.log(error.code, error.message) }
    }
    mkdirSync(folder + '/closed')
    const hidden = await UnixListener.listen(folder + '/closed/socket')
    chmodSync(folder + '/closed', 0o600)
    await tell(UnixStream.connect(folder + '/closed/socket'))
    await tell(UnixListener.listen(folder + '/closed/other'))
    const guarded = await UnixListener.listen(folder + '/guarded', { mode: 0o444 })
    await tell(UnixStream.connect(folder + '/guarded'))
    mkdirSync(folder + '/readonly')
    chmodSync(folder + '/readonly', 0o500)
    await tell(UnixListener.listen(folder + '/readonly/socket'))
    chmodSync(folder + '/closed', 0o700)
    await guarded.close()
    await hidden.close()
  `, { args: [directory(t)] })
  t.is(code, 0, stderr)
  const [search, searchToListen, write, create] = stdout.split('\n')
  t.regex(search, /^EACCES connect EACCES .*: no permission to search the directory .*closed \(x\)/)
  t.regex(searchToListen, /^EACCES .*: no permission to search the directory .*closed \(x\)/)
  t.regex(write, /^EACCES connect EACCES .*guarded: .*write to the socket file \(w\)/)
  t.regex(create, /^EACCES .*no permission to create a name in .*readonly \(w\)/)
})

test('a signal that is aborted already: its reason, and nobody is disturbed', async (t) => {
  const listener = await listening(t)
  const reason = new Error('changed my mind')
  t.is(await t.throwsAsync(UnixStream.connect(listener.address, { signal: AbortSignal.abort(reason) })), reason)
  const accepting = listener.accept()
  t.false(await isSettled(accepting))
  const client = await UnixStream.connect(listener.address)
  await Promise.all([(await accepting).close(), client.close()])
})

test('listen(n) admits n + 1; whoever comes then waits, and is never handed an unconnected socket', async (t) => {
  const listener = await listening(t, place(t), { backlog: 2 })
  const first = await Promise.all([1, 2, 3].map(() => UnixStream.connect(listener.address)))
  const waiting = UnixStream.connect(listener.address)
  const error = await t.throwsAsync(UnixStream.connect(listener.address, { timeout: 40 }), { instanceOf: SocketError })
  t.is(error.code, 'ETIMEDOUT')
  t.is(error.errno, 110)
  t.is(error.syscall, 'connect')
  t.is(error.address, listener.address.path)
  t.regex(error.message, /40 ms.*backlog/)
  t.false(await isSettled(waiting))
  const served = await listener.accept()
  const late = await waiting
  await late.write('late')
  const others = [await listener.accept(), await listener.accept(), await listener.accept()]
  t.is(String(await readExactly(others[2], 4)), 'late')
  for (const stream of [...first, served, late, ...others]) drop(stream)
})

test('a full backlog and a timeout of 0: one attempt', async (t) => {
  const listener = await listening(t, place(t), { backlog: 0 })
  const client = await UnixStream.connect(listener.address, { timeout: 0 })
  await t.throwsAsync(UnixStream.connect(listener.address, { timeout: 0 }), { code: 'ETIMEDOUT' })
  drop(client)
})

test('a full backlog and a signal', async (t) => {
  const listener = await listening(t, place(t), { backlog: 0 })
  const client = await UnixStream.connect(listener.address)
  const controller = new AbortController()
  const waiting = UnixStream.connect(listener.address, { signal: controller.signal })
  t.false(await isSettled(waiting))
  const reason = new Error('enough')
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  drop(client)
  const full = await listening(t, place(t), { backlog: 0 })
  const other = await UnixStream.connect(full.address)
  const timeout = await UnixStream.connect(full.address, { signal: AbortSignal.timeout(20) }).catch((error) => error)
  t.is(timeout.name, 'TimeoutError')
  drop(other)
})

test('a full backlog of a listener that goes away is ECONNREFUSED', async (t) => {
  const path = place(t)
  const peer = await startPeer(t, 'c', ['stream', 'server', path, '--connections=-1', '--backlog=0', 'pause'])
  const first = await UnixStream.connect(path)
  const waiting = UnixStream.connect(path)
  t.false(await isSettled(waiting))
  await peer.stop()
  const error = await t.throwsAsync(waiting, { instanceOf: SocketError })
  t.true(['ECONNREFUSED', 'ENOENT', 'ECONNRESET'].includes(error.code), error.code)
  drop(first)
})

test('waiting for room keeps the process alive, and failing leaks no descriptor', async (t) => {
  const listener = await listening(t, place(t), { backlog: 0 })
  const client = await UnixStream.connect(listener.address)
  const { code, stdout, stderr } = await ran(t, `
    import { readdirSync } from 'node:fs'
    import { UnixStream } from 'nearwire'
    const [full, missing] = process.argv.slice(-2)
    const descriptors = () => readdirSync('/proc/self/fd').length
    await UnixStream.connect(missing).catch(() => {})
    const before = descriptors()
    const codes = new Set()
    for (let round = 0; round < 50; round++) {
      await UnixStream.connect(missing).catch((error) => codes.add(error.code))
      await UnixStream.connect(full, { timeout: 1 }).catch((error) => codes.add(error.code))
      await UnixStream.connect(missing, { bind: 'auto' }).catch((error) => codes.add(error.code))
      await UnixStream.connect(full, { signal: AbortSignal.timeout(1) }).catch((error) => codes.add(error.name))
    }
    console.log([...codes].sort().join(), descriptors() - before)
  `, { args: [listener.address.path, place(t, 'missing')] })
  t.is(code, 0, stderr)
  t.is(stdout, 'ENOENT,ETIMEDOUT,TimeoutError 0\n')
  drop(client)
})

test('a socket is closed on exec, whichever way it was made', async (t) => {
  const { client, server, listener } = await connection(t)
  const [left, right] = UnixStream.pair()
  for (const { fd } of [client, server, listener, left, right]) {
    const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))[1], 8)
    t.is(flags & 0o2000000, 0o2000000)
    t.is(flags & 0o4000, 0o4000)
  }
  drop(left)
  drop(right)
})

test('connecting to a listener of node:net that refuses nobody and closes at once reads the end', async (t) => {
  const path = place(t)
  const server = createServer((socket) => socket.end()).listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const client = closing(t, await UnixStream.connect(path))
  t.is(await client.read(Buffer.alloc(8)), 0)
})

test('a path that is only reachable through an open directory of another process', async (t) => {
  const listener = await listening(t)
  const folder = openSync(dirname(listener.address.path), 'r')
  t.teardown(() => closeSync(folder))
  const client = closing(t, await UnixStream.connect(`/proc/self/fd/${folder}/socket`))
  const server = closing(t, await listener.accept())
  await client.write('x')
  t.is(String(await readExactly(server, 1)), 'x')
})

test('many at once all arrive, in a process of their own, though the backlog is short', async (t) => {
  const listener = await listening(t, place(t), { backlog: 1 })
  const child = program(t, `
    import { UnixStream } from 'nearwire'
    await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const client = await UnixStream.connect(process.argv.at(-1))
      await client.write(Buffer.of(index))
      await client.close()
    }))
  `, { args: [listener.address.path] })
  const seen = new Set()
  for await (const stream of listener) {
    seen.add((await readExactly(stream, 1))[0])
    drop(stream)
    if (seen.size === 100) break
  }
  await until(() => child.exitCode !== null)
  t.is(child.exitCode, 0)
  t.is(seen.size, 100)
})
