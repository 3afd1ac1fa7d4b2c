// Reading, writing, ending: the two directions of a stream.
import test from 'ava'
import { createHash } from 'node:crypto'
import { SocketError } from 'nearwire'
import { runScript } from './helpers/loop.mjs'
import { clog, collect, connection, drop, isSettled, pair, program, readAll, readExactly, until } from './helpers/sockets.mjs'
import { pattern } from './helpers/peers.mjs'

test('read answers what is there, at least one byte, and 0 at the end, again and again', async (t) => {
  const [left, right] = pair(t)
  await left.write('abc')
  const room = Buffer.alloc(8, '.')
  t.is(await right.read(room), 3)
  t.is(String(room), 'abc.....')
  const waiting = right.read(room.subarray(4))
  t.false(await isSettled(waiting))
  await left.write('de')
  t.is(await waiting, 2)
  t.is(String(room), 'abc.de..')
  left.shutdown()
  t.is(await right.read(room), 0)
  t.is(await right.read(room), 0)
})

test('a read into a small view reads only so much, and leaves the rest', async (t) => {
  const [left, right] = pair(t)
  await left.write('abcdef')
  const memory = new Uint8Array(6)
  t.is(await right.read(new Uint8Array(memory.buffer, 2, 3)), 3)
  t.deepEqual([...memory], [0, 0, 97, 98, 99, 0])
  t.is(String(await readExactly(right, 3)), 'def')
})

test('strings are written as UTF-8, empty writes are fine and send nothing', async (t) => {
  const [left, right] = pair(t)
  await left.write('')
  await left.write(new Uint8Array(0))
  await left.write('grüße €')
  left.shutdown()
  t.is(String(await readAll(right)), 'grüße €')
})

test('overlapping reads get their bytes in the order in which they asked', async (t) => {
  const [left, right] = pair(t)
  const rooms = Array.from({ length: 100 }, () => Buffer.alloc(1))
  const order = []
  const reads = rooms.map(async (room, index) => {
    await right.read(room)
    order.push(index)
  })
  for (let index = 0; index < 100; index++) await left.write(Buffer.of(index))
  await Promise.all(reads)
  t.deepEqual(order, rooms.map((_, index) => index))
  t.deepEqual(rooms.map((room) => room[0]), order)
})

test('overlapping writes of every size arrive in order', async (t) => {
  const [left, right] = pair(t)
  const sizes = [1, 100_000, 0, 3, 1_000_000, 65_536, 2, 300_000]
  const whole = pattern(sizes.reduce((sum, size) => sum + size, 0))
  let at = 0
  const writes = sizes.map((size) => left.write(whole.subarray(at, at += size)))
  const reading = readExactly(right, whole.length)
  await Promise.all(writes)
  t.true((await reading).equals(whole))
})

test('a big write waits for the reader: back-pressure, and every byte arrives', async (t) => {
  const { client, server } = await connection(t)
  const data = pattern(8 * 1024 * 1024)
  const writing = client.write(data)
  t.false(await isSettled(writing))
  const hash = createHash('sha1')
  let total = 0
  for await (const chunk of server) {
    hash.update(chunk)
    total += chunk.length
    if (total === data.length) break
  }
  await writing
  t.is(hash.digest('hex'), createHash('sha1').update(data).digest('hex'))
})

test('half-close: the other direction goes on, both ways', async (t) => {
  const { client, server } = await connection(t)
  await client.write('question')
  client.shutdown('write')
  t.is(String(await readAll(server)), 'question')
  await server.write('answer')
  t.is(String(await readExactly(client, 6)), 'answer')
  server.shutdown()
  t.is(await client.read(Buffer.alloc(1)), 0)
  t.not(client.fd, -1)
})

test('after shutdown a write is EPIPE at once, even while earlier bytes still wait for the reader', async (t) => {
  const [left, right] = pair(t)
  const size = 4 * 1024 * 1024
  const first = clog(left, size)
  left.shutdown()
  const error = await t.throwsAsync(left.write('too late'), { instanceOf: SocketError, code: 'EPIPE' })
  t.is(error.errno, 32)
  t.is(error.syscall, 'write')
  const all = await readAll(right)
  await first
  t.is(all.length, size)
  t.is(all.indexOf('too late'), -1)
})

test('shutting down reading: this side reads the end, the peer\'s writes are EPIPE', async (t) => {
  const [left, right] = pair(t)
  left.shutdown('read')
  t.is(await left.read(Buffer.alloc(1)), 0)
  await t.throwsAsync(right.write('x'), { instanceOf: SocketError, code: 'EPIPE' })
  await left.write('still')
  t.is(String(await readExactly(right, 5)), 'still')
})

test('shutting down reading wakes a read that waits', async (t) => {
  const [left] = pair(t)
  const waiting = left.read(Buffer.alloc(1))
  t.false(await isSettled(waiting))
  left.shutdown('read')
  t.is(await waiting, 0)
})

test('shutting down both', async (t) => {
  const [left, right] = pair(t)
  await left.write('last words')
  left.shutdown('both')
  t.is(String(await readAll(right)), 'last words')
  await t.throwsAsync(left.write('x'), { code: 'EPIPE' })
  await t.throwsAsync(right.write('x'), { code: 'EPIPE' })
})

test('writing to a peer that is gone is EPIPE, a rejection and no signal', async (t) => {
  const [left, right] = pair(t)
  await right.close()
  const error = await t.throwsAsync(left.write('x'), { instanceOf: SocketError, code: 'EPIPE' })
  t.regex(error.message, /^write EPIPE: the peer no longer reads/)
  t.is(await left.read(Buffer.alloc(1)), 0)
})

test('a peer that closes with unread data: what it sent, then ECONNRESET', async (t) => {
  const [left, right] = pair(t)
  await left.write('never read')
  await right.write('goodbye')
  await right.close()
  t.is(String(await readExactly(left, 7)), 'goodbye')
  const error = await t.throwsAsync(left.read(Buffer.alloc(1)), { instanceOf: SocketError, code: 'ECONNRESET' })
  t.is(error.errno, 104)
  t.is(error.syscall, 'read')
  t.regex(error.message, /closed without reading/)
})

test('ECONNRESET reaches an iterator that waits, and ends it', async (t) => {
  const [left, right] = pair(t)
  await left.write('never read')
  const iterator = left[Symbol.asyncIterator]()
  const waiting = iterator.next()
  t.false(await isSettled(waiting))
  await right.close()
  await t.throwsAsync(waiting, { code: 'ECONNRESET' })
  t.deepEqual(await iterator.next(), { value: undefined, done: true })
})

test('a write that waits fails when the peer goes away, and so do all behind it', async (t) => {
  const [left, right] = pair(t)
  const writes = [clog(left), left.write('behind'), left.write('further behind')]
  t.false(await isSettled(writes[0]))
  await right.close()
  for (const write of writes) {
    const error = await t.throwsAsync(write, { instanceOf: SocketError })
    t.true(error.code === 'EPIPE' || error.code === 'ECONNRESET', error.code)
  }
  await t.throwsAsync(left.write('x'), { instanceOf: SocketError })
})

test('aborting one read leaves the others and the data alone', async (t) => {
  const [left, right] = pair(t)
  const controller = new AbortController()
  const rooms = [Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)]
  const first = right.read(rooms[0])
  const second = right.read(rooms[1], { signal: controller.signal })
  const third = right.read(rooms[2])
  const reason = new Error('not any more')
  controller.abort(reason)
  t.is(await t.throwsAsync(second), reason)
  await left.write('ab')
  t.deepEqual([await first, await third], [1, 1])
  t.deepEqual(rooms.map(String), ['a', '\0', 'b'])
})

test('aborting the read that waits first lets the next one go on', async (t) => {
  const [left, right] = pair(t)
  const controller = new AbortController()
  const first = right.read(Buffer.alloc(1), { signal: controller.signal })
  const room = Buffer.alloc(1)
  const second = right.read(room)
  controller.abort()
  t.is((await t.throwsAsync(first, { any: true })).name, 'AbortError')
  await left.write('x')
  t.is(await second, 1)
  t.is(String(room), 'x')
})

test('a signal that is aborted already: nothing is read, nothing written', async (t) => {
  const [left, right] = pair(t)
  await left.write('x')
  const reason = new Error('no')
  const signal = AbortSignal.abort(reason)
  t.is(await t.throwsAsync(right.read(Buffer.alloc(1), { signal })), reason)
  t.is(await t.throwsAsync(left.write('never', { signal })), reason)
  t.is(String(await readExactly(right, 1)), 'x')
  left.shutdown()
  t.is(await right.read(Buffer.alloc(1)), 0)
})

test('aborting after the fact changes nothing and leaves no listener on the signal', async (t) => {
  const [left, right] = pair(t)
  const controller = new AbortController()
  const { signal } = controller
  let listeners = 0
  for (const [method, change] of [['addEventListener', 1], ['removeEventListener', -1]]) {
    const original = signal[method].bind(signal)
    signal[method] = (...args) => { listeners += change; original(...args) }
  }
  const reading = right.read(Buffer.alloc(4), { signal })
  t.is(listeners, 1)
  await left.write('abcd', { signal })
  t.is(await reading, 4)
  const writing = left.write(Buffer.alloc(2 * 1024 * 1024), { signal })
  t.is(listeners, 1)
  await readExactly(right, 2 * 1024 * 1024)
  await writing
  t.is(listeners, 0)
  controller.abort()
})

test('one signal for many operations is no leak that Node warns of', async (t) => {
  const ended = await runScript(`
    const { UnixStream } = await import('nearwire')
    const { NetlinkSocket } = await import('nearwire/netlink')
    const controller = new AbortController()
    const [left] = UnixStream.pair()
    const socket = await NetlinkSocket.open({ protocol: 'usersock' })
    const waiting = Array.from({ length: 100 }, (_, index) => index % 2 === 0
      ? left.read(Buffer.alloc(1), { signal: controller.signal }) : socket.receive({ signal: controller.signal }))
    controller.abort()
    await Promise.allSettled(waiting)
    process.exit()
  `)
  t.deepEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: '' })
})

test('a write that is aborted before its first byte went out is withdrawn', async (t) => {
  const [left, right] = pair(t)
  const size = 2 * 1024 * 1024
  const first = clog(left, size)
  const controller = new AbortController()
  const second = left.write('withdrawn', { signal: controller.signal })
  const third = left.write('third')
  const reason = new Error('no')
  controller.abort(reason)
  t.is(await t.throwsAsync(second), reason)
  const all = await readExactly(right, size + 5)
  await Promise.all([first, third])
  t.is(String(all.subarray(size)), 'third')
})

test('a write that is aborted after it has begun goes on, so that the peer never sees half of it', async (t) => {
  const [left, right] = pair(t)
  const controller = new AbortController()
  const data = pattern(2 * 1024 * 1024)
  const writing = left.write(data, { signal: controller.signal })
  t.false(await isSettled(writing))
  const reason = new Error('no')
  controller.abort(reason)
  t.is(await t.throwsAsync(writing), reason)
  const behind = left.write('!')
  const all = await readExactly(right, data.length + 1)
  await behind
  t.true(all.subarray(0, data.length).equals(data))
  t.is(all.at(-1), 33)
})

test('no spin on a half-open peer, in either direction', async (t) => {
  // Waits for the peer beside an end that was read, a reset and a peer that is gone, and counts its processor time.
  const child = program(t, `
    import { UnixStream } from 'nearwire'
    const [open, ended] = UnixStream.pair()
    ended.shutdown('write')
    await open.read(Buffer.alloc(1))
    const [alone, gone] = UnixStream.pair()
    await gone.close()
    await alone.read(Buffer.alloc(1))
    const [waits, silent] = UnixStream.pair()
    silent.shutdown('read')
    const writing = ended.read(Buffer.alloc(1))
    const reading = waits.read(Buffer.alloc(1))
    console.log('ready')
    process.stdin.once('data', () => {
      const { user, system } = process.cpuUsage(before)
      console.log((user + system) / 1000)
      process.exit()
    })
    const before = process.cpuUsage()
  `)
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
  await until(() => stdout.includes('ready'))
  const begin = performance.now()
  await until(() => performance.now() - begin > 500)
  child.stdin.write('\n')
  await until(() => child.exitCode !== null && /ready\n\d/.test(stdout))
  const milliseconds = Number(stdout.split('\n')[1])
  t.true(milliseconds < 100, `${milliseconds} ms of processor time in 500 ms of waiting`)
})

test('iterating: chunks until the end, never written to again', async (t) => {
  const [left, right] = pair(t)
  const data = pattern(3 * 1024 * 1024)
  const writing = left.write(data).then(() => left.shutdown())
  const chunks = await collect(right)
  await writing
  t.true(Buffer.concat(chunks).equals(data))
  t.true(chunks.every((chunk) => Buffer.isBuffer(chunk) && chunk.length > 0))
})

test('breaking out of a loop leaves the stream open and loses nothing', async (t) => {
  const [left, right] = pair(t)
  let got = ''
  for (let round = 0; round < 5; round++) {
    await left.write(String(round))
    for await (const chunk of right) {
      got += chunk
      break
    }
  }
  t.is(got, '01234')
  left.shutdown()
  t.deepEqual(await collect(right), [])
})

test('the iterator\'s contract: overlapping next() in order, return() cancels only its own, done stays done', async (t) => {
  const [left, right] = pair(t)
  const one = right[Symbol.asyncIterator]()
  t.is(one[Symbol.asyncIterator](), one)
  const nexts = [one.next(), one.next()]
  const other = right[Symbol.asyncIterator]()
  const later = other.next()
  t.deepEqual(await one.return(), { value: undefined, done: true })
  t.deepEqual(await Promise.all(nexts), [{ value: undefined, done: true }, { value: undefined, done: true }])
  await left.write('x')
  const { value, done } = await later
  t.is(String(value), 'x')
  t.false(done)
  t.deepEqual(await one.next(), { value: undefined, done: true })
  const ends = [other.next(), other.next(), other.next()]
  left.shutdown()
  for (const end of await Promise.all(ends)) t.true(end.done)
  t.true((await other.next()).done)
})

test('a pair of streams works within one turn, without waiting for the loop', async (t) => {
  const [left, right] = pair(t)
  let immediate = false
  setImmediate(() => { immediate = true })
  for (let round = 0; round < 10; round++) {
    await left.write('ping')
    await readExactly(right, 4)
  }
  t.false(immediate)
})

test('busyPoll: the same answers', async (t) => {
  const { client, server } = await connection(t, { busyPoll: 200 })
  const waiting = client.read(Buffer.alloc(4))
  t.false(await isSettled(waiting))
  await server.write('late')
  t.is(await waiting, 4)
  await server.write('here')
  t.is(String(await readExactly(client, 4)), 'here')
})

test('in both directions at once, in a process on either side', async (t) => {
  const { listener } = await connection(t)
  const child = program(t, `
    import { UnixStream } from 'nearwire'
    const stream = await UnixStream.connect(process.argv.at(-1))
    for await (const chunk of stream) await stream.write(chunk)
    await stream.close()
  `, { args: [listener.address.path] })
  const stream = await listener.accept()
  const data = pattern(5_000_000)
  const writing = stream.write(data).then(() => stream.shutdown())
  t.true((await readAll(stream)).equals(data))
  await writing
  await until(() => child.exitCode !== null)
  t.is(child.exitCode, 0)
  drop(stream)
})
