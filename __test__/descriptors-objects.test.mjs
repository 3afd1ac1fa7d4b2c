// Descriptors from elsewhere become the object that fits them, and are never leaked or closed twice.
import test from 'ava'
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import net from 'node:net'
import { finished } from 'node:stream/promises'
import {
  closeDescriptor, describe, DescriptorFile, netServerFromFd, netSocketFromFd, SocketError, socketFromFd, UnixDatagram,
  UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream,
} from 'nearwire'
import { closing, drop, isSettled, listening, opened, pair, passed, place, ran, readAll } from './helpers/sockets.mjs'
import { hasPython } from './helpers/peers.mjs'

// Other test files run in this process at the same time: what matters is what a number leads to, not whether it is used.
const leadsTo = (fd, path) => {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === path
  } catch {
    return false
  }
}

/** The file, which is closed after the test. */
function owned(t, file) {
  t.teardown(() => file[Symbol.asyncDispose]())
  return file
}

function fifo(t) {
  const path = place(t, 'pipe')
  execFileSync('mkfifo', [path])
  return path
}

/** A pipe, both ends blocking as programs have them: `[read, write]`. */
async function pipe(t) {
  const path = fifo(t)
  const both = openSync(path, 'r+')
  const ends = [await opened(t, path, 'r'), await opened(t, path, 'w')]
  closeSync(both)
  return ends
}

test('describe: the three coordinates of sockets, and what else there is', async (t) => {
  const listener = await listening(t)
  const [stream] = pair(t)
  const socket = (fields) => ({ kind: 'socket', domain: 'AF_UNIX', protocol: 0, listening: false, connected: false, ...fields })
  t.deepEqual(describe(listener.fd), socket({ type: 'SOCK_STREAM', listening: true }))
  t.deepEqual(describe(stream.fd), socket({ type: 'SOCK_STREAM', connected: true }))
  t.deepEqual(describe(closing(t, UnixDatagram.unbound()).fd), socket({ type: 'SOCK_DGRAM' }))
  t.deepEqual(describe(closing(t, UnixSeqpacket.pair()[0]).fd), socket({ type: 'SOCK_SEQPACKET', connected: true }))
  const server = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  t.deepEqual(describe(server._handle.fd), socket({ domain: 'AF_INET', type: 'SOCK_STREAM', protocol: 6, listening: true }))
  const open = (path) => {
    const fd = openSync(path, 'r')
    t.teardown(() => closeSync(fd))
    return fd
  }
  t.deepEqual(describe(open('/proc/self/exe')), { kind: 'file' })
  t.deepEqual(describe(open('/')), { kind: 'directory' })
  t.deepEqual(describe(open('/dev/null')), { kind: 'character device' })
  const [reading, writing] = await pipe(t)
  t.deepEqual(describe(reading), { kind: 'pipe' })
  closeDescriptor(reading)
  closeDescriptor(writing)
})

test('every kind of AF_UNIX socket becomes its class', async (t) => {
  const listener = await UnixListener.listen(place(t))
  const packets = await UnixSeqpacketListener.listen(place(t))
  const handles = [listener, packets, UnixDatagram.unbound(), UnixStream.pair()[0], UnixSeqpacket.pair()[0]]
  for (const handle of handles) {
    const { constructor } = handle
    const fd = await passed(t, handle.fd)
    await handle.close()
    const made = closing(t, socketFromFd(fd))
    t.is(made.constructor, constructor)
    t.is(made.fd, fd)
  }
})

test('a passed listener accepts, a passed stream carries on', async (t) => {
  const listener = await UnixListener.listen(place(t), { unlinkOnClose: false })
  const { address } = listener
  const heir = closing(t, socketFromFd(await passed(t, listener.fd)))
  await listener.close()
  const [client, server] = await Promise.all([UnixStream.connect(address), heir.accept()])
  const [left, right] = [closing(t, client), closing(t, socketFromFd(await passed(t, server.fd)))]
  drop(server)
  await left.write('still here')
  await left.close()
  t.is(String(await readAll(right)), 'still here')
})

test('what cannot become a socket is refused, and stays the caller\'s', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const file = openSync('/proc/self/exe', 'r')
  t.teardown(() => closeSync(file))
  t.throws(() => socketFromFd(server._handle.fd), { instanceOf: SocketError, code: 'EAFNOSUPPORT', message: /AF_INET/ })
  t.throws(() => socketFromFd(file), { code: 'ENOTSOCK', message: /file/ })
  t.throws(() => netSocketFromFd(server._handle.fd), { code: 'EINVAL', message: /listening/ })
  t.throws(() => netSocketFromFd(closing(t, UnixDatagram.unbound()).fd), { code: 'EPROTOTYPE', message: /SOCK_DGRAM/ })
  t.throws(() => netServerFromFd(pair(t)[0].fd), { code: 'EINVAL', message: /does not listen/ })
  t.throws(() => DescriptorFile.fromFd(pair(t)[0].fd), { code: 'EINVAL', message: /socketFromFd/ })
  t.true(leadsTo(file, process.execPath))
  for (const make of [socketFromFd, netSocketFromFd, netServerFromFd, describe, closeDescriptor, DescriptorFile.fromFd]) {
    t.throws(() => make(1_000_000), { code: 'EBADF' })
    t.throws(() => make('3'), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: /fd/ })
    t.throws(() => make(-1), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
  }
})

test('closeDescriptor closes, once', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { closeDescriptor, UnixStream } from 'nearwire'
    const fd = UnixStream.pair()[0].detach()
    closeDescriptor(fd)
    let found
    try { closeDescriptor(fd) } catch (error) { found = error }
    console.log(found.name, found.message)
  `)
  t.is(code, 0, stderr)
  t.regex(stdout, /^SocketError close EBADF: there is no open descriptor \d+\n$/)
})

test('net.Socket of a passed stream', async (t) => {
  const [left, right] = pair(t)
  const socket = netSocketFromFd(await passed(t, right.fd))
  drop(right)
  t.true(socket instanceof net.Socket)
  socket.end('from node')
  t.is(String(await readAll(left)), 'from node')
})

test('net.Server of a passed listener: AF_UNIX, whose name stays, and TCP', async (t) => {
  const path = place(t)
  const listener = await UnixListener.listen(path, { unlinkOnClose: false })
  const server = netServerFromFd(await passed(t, listener.fd), (socket) => socket.end('served'))
  await listener.close()
  t.true(server.listening)
  const client = await UnixStream.connect(path)
  t.is(String(await readAll(client)), 'served')
  await client.close()
  await new Promise((resolve) => { server.close(resolve) })
  t.true(lstatSync(path).isSocket(), 'the socket file is still there')

  const tcp = net.createServer().listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address()
  const heir = netServerFromFd(await passed(t, tcp._handle.fd), (socket) => socket.end('over TCP'))
  tcp.close()
  const overTcp = net.connect(port, '127.0.0.1')
  t.is(String(Buffer.concat(await collectChunks(overTcp))), 'over TCP')
  heir.close()
})

async function collectChunks(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

test('a file: reading at a position, all of it, in pieces, and its state', async (t) => {
  const path = place(t, 'file')
  const content = Buffer.alloc(200_000, 'abcdefghij')
  writeFileSync(path, content)
  const file = owned(t, DescriptorFile.fromFd(await opened(t, path, 'r+')))
  const room = Buffer.alloc(4)
  t.is(await file.read(room, { position: 3 }), 4)
  t.is(String(room), 'defg')
  t.is(await file.read(room), 4)
  t.is(String(room), 'abcd')
  t.true(content.equals(await file.readAll()))
  let length = 0
  for await (const chunk of file) length += chunk.length
  t.is(length, content.length)
  t.is(await file.read(room), 4)
  t.is(String(room), 'efgh', 'reading all of it left the position alone')
  t.is((await file.stat()).size, content.length)
  await file.write('XYZ', { position: 1 })
  t.is(String(readFileSync(path).subarray(0, 5)), 'aXYZe')
  await t.throwsAsync(file.readAll({ maxLength: 1000 }), { code: 'EFBIG', message: /1000/ })
  t.is(await file.read(room, { position: content.length }), 0)
})

test('all of a file of the kernel\'s own, which says that it is empty', async (t) => {
  for (const path of ['/proc/version', '/proc/kallsyms', '/proc/sys/kernel/ostype']) {
    const file = owned(t, DescriptorFile.fromFd(await opened(t, path)))
    t.true(String(await file.readAll()) === readFileSync(path, 'utf8'), path)
  }
})

test('more room than Node passes on in one call, and more bytes', async (t) => {
  const path = place(t, 'file')
  writeFileSync(path, 'content')
  const file = owned(t, DescriptorFile.fromFd(await opened(t, path)))
  t.is(await file.read(new Uint8Array(2 ** 31), { position: 0 }), 7)
  t.is(await file.read(new Uint8Array(2 ** 32), { position: 0 }), 7)
  await t.throwsAsync(file.write(new Uint8Array(2 ** 31)), { code: 'EBADF' })
})

test('a pipe that blocks: a silent one occupies no thread, and a signal ends the wait', async (t) => {
  const [reading, writing] = await pipe(t)
  // More than Node has threads to read files with.
  const silent = []
  for (let count = 0; count < 8; count++) silent.push(DescriptorFile.fromFd((await pipe(t))[0]))
  const waits = silent.map((file) => file.read(Buffer.alloc(1)))
  const file = DescriptorFile.fromFd(reading)
  const waiting = file.read(Buffer.alloc(10))
  t.false(await isSettled(waiting))
  const sink = DescriptorFile.fromFd(writing)
  await sink.write('now')
  t.is(await waiting, 3)
  const reason = new Error('enough')
  t.is(await t.throwsAsync(file.read(Buffer.alloc(1), { signal: AbortSignal.timeout(1) }).catch(() => { throw reason })), reason)
  for (const one of silent) await one.close()
  for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_SOCKET_CLOSED' })
  await sink.close()
  t.is(await file.read(Buffer.alloc(1)), 0)
  await file.close()
})

test('reads that overlap follow each other, and one that waits takes no thread and holds up no close()', async (t) => {
  const [reading, writing] = await pipe(t)
  const sink = owned(t, DescriptorFile.fromFd(writing))
  const file = DescriptorFile.fromFd(reading)
  const room = Buffer.alloc(10)
  const controller = new AbortController()
  const first = file.read(room)
  const aborted = file.read(Buffer.alloc(10), { signal: controller.signal })
  const second = file.read(room)
  const third = file.read(Buffer.alloc(10))
  controller.abort()
  t.is((await aborted.catch((error) => error)).name, 'AbortError')
  await sink.write('hello')
  t.is(await first, 5)
  t.is(String(room.subarray(0, 5)), 'hello')
  t.false(await isSettled(second))
  await sink.write('you')
  t.is(await second, 3)
  t.is(String(room.subarray(0, 3)), 'you')
  await Promise.all([file.close(), t.throwsAsync(third, { code: 'ERR_SOCKET_CLOSED', message: /file is closed/ })])
})

test('writes that overlap do not mix their pieces, and take no thread while nobody reads', async (t) => {
  const [reading, writing] = await pipe(t)
  const file = owned(t, DescriptorFile.fromFd(reading))
  const sink = DescriptorFile.fromFd(writing)
  const length = 40_000
  const writes = ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => sink.write(letter.repeat(length)))
  const room = Buffer.alloc(4096)
  let got = ''
  while (got.length < 4 * length) got += room.toString('latin1', 0, await file.read(room))
  t.regex(got, new RegExp(`^a{${length}}b{${length}}c{${length}}d{${length}}`))
  await Promise.all(writes.slice(0, 4))
  const last = t.throwsAsync(writes[5], { code: 'ERR_SOCKET_CLOSED' })
  writes[4].catch(() => {})
  await Promise.all([sink.close(), last])
})

test('an iterator that waits for a silent pipe ends with return(), and nothing is lost', async (t) => {
  const [reading, writing] = await pipe(t)
  const sink = owned(t, DescriptorFile.fromFd(writing))
  const file = owned(t, DescriptorFile.fromFd(reading))
  const iterator = file[Symbol.asyncIterator]()
  const waiting = [iterator.next(), iterator.next()]
  t.false(await isSettled(waiting[0]))
  t.deepEqual(await iterator.return(), { value: undefined, done: true })
  for (const next of [...waiting, iterator.next()]) t.deepEqual(await next, { value: undefined, done: true })
  await sink.write('for another')
  const room = Buffer.alloc(20)
  t.is(String(room.subarray(0, await file.read(room))), 'for another')
})

test('destroying a stream over a pipe that nothing moves through ends it, and closes the descriptor or not', async (t) => {
  for (const autoClose of [true, false]) {
    const [reading] = (await pipe(t)).map((fd) => owned(t, DescriptorFile.fromFd(fd)))
    const source = reading.createReadStream({ autoClose }).resume()
    t.false(await isSettled(once(source, 'data')))
    source.destroy()
    await once(source, 'close')
    t.is(reading.fd === -1, autoClose)

    const [silent, full] = (await pipe(t)).map((fd) => owned(t, DescriptorFile.fromFd(fd)))
    await full.write(Buffer.alloc(65_536))
    const sink = full.createWriteStream({ autoClose })
    sink.write('too late')
    t.false(await isSettled(once(sink, 'finish')))
    sink.destroy()
    await once(sink, 'close')
    t.is(full.fd === -1, autoClose)
    const got = readAll(silent)
    await full.close()
    t.is((await got).length, 65_536)
  }
})

test('one signal for many reads keeps nothing of those that are over', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { openSync, writeSync } from 'node:fs'
    import { DescriptorFile } from 'nearwire'
    const fd = openSync(process.argv[1], 'r+')
    const file = DescriptorFile.fromFd(fd)
    const { signal } = new AbortController()
    const held = async (reads) => {
      for (let count = 0; count < reads; count++) {
        writeSync(fd, 'x')
        await file.read(Buffer.alloc(1), { signal })
      }
      global.gc()
      return process.memoryUsage().heapUsed
    }
    const before = await held(2000)
    console.log((await held(8000) - before) / 8000)
    await file.close()
  `, { execArgv: ['--expose-gc'], args: [fifo(t)] })
  t.is(code, 0, stderr)
  t.true(Number(stdout) < 30, `${stdout} bytes a read`)
})

test('a pipe larger than the kernel holds, through streams', async (t) => {
  const [reading, writing] = await pipe(t)
  const content = Buffer.alloc(300_000, 'stream')
  const from = DescriptorFile.fromFd(reading)
  const to = DescriptorFile.fromFd(writing)
  const sink = to.createWriteStream()
  sink.end(content)
  const chunks = await collectChunks(from.createReadStream())
  await finished(sink)
  t.true(Buffer.concat(chunks).equals(content))
  await Promise.all([from.close(), to.close()])
})

test('pieces do not hold all the memory that they were read into', async (t) => {
  // In a process of its own: here, others have Node's common memory cut up meanwhile.
  const { code, stdout, stderr } = await ran(t, `
    import { openSync } from 'node:fs'
    import { DescriptorFile } from 'nearwire'
    const file = DescriptorFile.fromFd(openSync(process.argv.at(-1), 'r+'))
    const pieces = file[Symbol.asyncIterator]()
    const memories = new Set()
    for (let index = 0; index < 400; index++) {
      await file.write(String(index))
      const { value } = await pieces.next()
      if (String(value) !== String(index)) throw new Error(value + ' in place of ' + index)
      memories.add(value.buffer)
    }
    await pieces.return()
    await file.close()
    console.log(memories.size)
  `, { args: [fifo(t)] })
  t.is(code, 0, stderr)
  // Node cuts many small ones out of one memory.
  t.true(Number(stdout) < 100, stdout)
})

test('the output of a program, through the pipe that it was given', async (t) => {
  const [reading, writing] = await pipe(t)
  const child = spawn('sh', ['-c', 'echo one; echo two >&2; exit 0'], { stdio: ['ignore', writing, 'ignore'] })
  closeDescriptor(writing)
  const file = owned(t, DescriptorFile.fromFd(reading))
  t.is(String(await file.readAll()), 'one\n')
  if (child.exitCode === null) await once(child, 'exit')
})

test('closing, giving up, and after', async (t) => {
  const path = place(t, 'file')
  const fd = await opened(t, path, 'w+')
  const file = DescriptorFile.fromFd(fd)
  const writing = file.write(Buffer.alloc(1_000_000))
  t.throws(() => file.detach(), { code: 'EBUSY' })
  const closed = file.close()
  t.is(file.close(), closed)
  t.is(file.fd, -1)
  await writing
  await closed
  t.false(leadsTo(fd, path))
  await t.throwsAsync(file.read(Buffer.alloc(1)), { code: 'ERR_SOCKET_CLOSED' })
  t.throws(() => file.detach(), { code: 'ERR_SOCKET_CLOSED' })
  const kept = await opened(t, process.execPath)
  const other = DescriptorFile.fromFd(kept)
  t.is(other.detach(), kept)
  await other.close()
  t.true(leadsTo(kept, process.execPath))
  closeDescriptor(kept)
})

test('one that is forgotten is closed when it is collected, and says so', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { openSync, readlinkSync } from 'node:fs'
    import { DescriptorFile } from 'nearwire'
    const warned = new Promise((resolve) => { process.once('warning', ({ message }) => resolve(message)) })
    const open = () => { const fd = openSync('/proc/self/exe', 'r'); DescriptorFile.fromFd(fd); return fd }
    const fd = open()
    const collecting = setInterval(() => global.gc(), 10)
    const message = await warned
    clearInterval(collecting)
    let target = 'closed'
    try { target = readlinkSync('/proc/self/fd/' + fd) } catch {}
    console.log(target !== process.execPath, message.includes(String(fd)))
  `, { execArgv: ['--expose-gc'] })
  t.is(code, 0, stderr)
  t.is(stdout, 'true true\n')
})

test('bad arguments of a file', async (t) => {
  const file = owned(t, DescriptorFile.fromFd(await opened(t, process.execPath)))
  await t.throwsAsync(file.read('x'), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(file.read(new Uint8Array(0)), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.throwsAsync(file.read(new Uint8Array(1), { position: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(file.write(5), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(file.write('x'), { instanceOf: SocketError, code: 'EBADF', message: /^write EBADF/ })
})

if (hasPython) {
  test('a file that Python passes', async (t) => {
    const path = place(t)
    const listener = await listening(t, path)
    const child = spawn('python3', ['-c', `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
fd = os.memfd_create('p'); os.write(fd, b'from python')
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
`, path])
    t.teardown(() => child.kill())
    const stream = closing(t, await listener.accept())
    const { fds } = await stream.receiveMessage()
    const file = owned(t, DescriptorFile.fromFd(fds[0]))
    t.is(String(await file.readAll()), 'from python', 'from the front, wherever Python left the position')
  })
}
