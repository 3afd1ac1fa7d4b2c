// toDuplex(), and the web streams: what node:stream and its users expect of them.
import test from 'ava'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Duplex, finished, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SocketError } from 'nearwire'
import { collect, connection, drop, isSettled, pair, program, readAll, readExactly, until } from './helpers/sockets.mjs'
import { pattern } from './helpers/peers.mjs'

const MEGABYTE = 1024 * 1024

test('bytes in both directions, and the end after them', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  t.true(duplex instanceof Duplex)
  duplex.end('question')
  t.is(String(await readAll(right)), 'question')
  await right.write('answer')
  right.shutdown()
  t.is(String(Buffer.concat(await collect(duplex))), 'answer')
  await left.closed
  t.true(duplex.destroyed)
})

test('strings in any encoding, corked writes, empty writes', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  duplex.write('€')
  duplex.write('6162', 'hex')
  duplex.write('')
  duplex.cork()
  for (let index = 0; index < 100; index++) duplex.write(String(index % 10))
  duplex.uncork()
  duplex.end()
  t.is(String(await readAll(right)), `€ab${'0123456789'.repeat(10)}`)
})

test('back-pressure when writing: write() says so, and drain comes when the peer has read', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  let written = 0
  while (duplex.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
  written += 64 * 1024
  t.true(written < 4 * MEGABYTE)
  const drained = once(duplex, 'drain')
  t.false(await isSettled(drained))
  await readExactly(right, written)
  await drained
})

test('back-pressure when reading: nobody reads, so the peer waits', async (t) => {
  const [left, right] = pair(t)
  const duplex = right.toDuplex()
  const data = pattern(8 * MEGABYTE)
  const writing = left.write(data)
  await once(duplex, 'readable')
  t.false(await isSettled(writing))
  t.true(duplex.readableLength < MEGABYTE, `${duplex.readableLength} bytes were read ahead of anybody who wants them`)
  const hash = createHash('sha1')
  let total = 0
  for await (const chunk of duplex) {
    hash.update(chunk)
    total += chunk.length
    if (total === data.length) break
  }
  await writing
  t.is(hash.digest('hex'), createHash('sha1').update(data).digest('hex'))
})

test('pause and resume', async (t) => {
  const [left, right] = pair(t)
  const duplex = right.toDuplex()
  const chunks = []
  duplex.on('data', (chunk) => {
    chunks.push(chunk)
    duplex.pause()
    setImmediate(() => duplex.resume())
  })
  const data = pattern(2 * MEGABYTE)
  await left.write(data)
  left.shutdown()
  await once(duplex, 'end')
  t.true(Buffer.concat(chunks).equals(data))
})

test('many small chunks through a duplex, whatever the listener does meanwhile', async (t) => {
  const [left, right] = pair(t)
  const duplex = right.toDuplex()
  let got = ''
  duplex.setEncoding('latin1')
  duplex.on('data', (text) => {
    got += text
    duplex.read(0)
    if (got.length % 7 === 0) duplex.unshift('')
  })
  for (let index = 0; index < 2000; index++) {
    await left.write(String(index % 10))
    if (index % 50 === 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
  left.shutdown()
  await once(duplex, 'end')
  t.is(got, '0123456789'.repeat(200))
  t.is(right.reads.length, 0)
})

test('pipeline, with a slow and transforming middle, in both directions at once', async (t) => {
  const { client, server } = await connection(t)
  const there = client.toDuplex()
  const here = server.toDuplex()
  // Otherwise the end of one direction is, as with net.Socket, the end of the other.
  here.allowHalfOpen = true
  const slow = () => new Transform({
    highWaterMark: 1000,
    transform(chunk, _encoding, callback) { setImmediate(callback, null, chunk) },
  })
  const data = pattern(6 * MEGABYTE)
  const received = []
  await Promise.all([
    pipeline(here, slow(), here),
    pipeline(Readable.from((function* () {
      for (let at = 0; at < data.length; at += 100_000) yield data.subarray(at, at + 100_000)
    })()), there),
    pipeline(there, new Writable({ write(chunk, _encoding, callback) { received.push(chunk); setImmediate(callback) } })),
  ])
  t.true(Buffer.concat(received).equals(data))
  await Promise.all([client.closed, server.closed])
})

test('pipeline: a source that fails destroys the duplex, and the peer sees it at once', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  const failure = new Error('source failed')
  const source = new PassThrough()
  const piping = pipeline(source, duplex)
  source.write('half')
  t.is(String(await readExactly(right, 4)), 'half')
  source.destroy(failure)
  t.is(await t.throwsAsync(piping), failure)
  t.is(await right.read(Buffer.alloc(1)), 0)
  await left.closed
})

test('destroy closes at once although the peer reads nothing, and what waited is told', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  duplex.on('error', () => {})
  const told = new Promise((resolve) => { duplex.write(Buffer.alloc(8 * MEGABYTE), resolve) })
  t.false(await isSettled(told))
  const failure = new Error('enough')
  duplex.destroy(failure)
  await new Promise((resolve) => { duplex.once('close', resolve) })
  t.true(await told instanceof Error)
  t.is(left.fd, -1)
  t.true((await readAll(right)).length < 8 * MEGABYTE)
})

test('destroy while close() waits for the peer', async (t) => {
  const [left] = pair(t)
  const duplex = left.toDuplex()
  duplex.write(Buffer.alloc(8 * MEGABYTE), () => {})
  const closing = left.close()
  t.false(await isSettled(closing))
  duplex.destroy()
  await closing
  t.is(left.fd, -1)
})

test('errors: ECONNRESET and EPIPE come as error events, then close', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  await left.outgoing.write(Buffer.from('never read'))
  duplex.resume()
  await right.close()
  const [reset] = await once(duplex, 'error')
  t.true(reset instanceof SocketError)
  t.is(reset.code, 'ECONNRESET')
  await left.closed

  const [other, gone] = pair(t)
  const second = other.toDuplex()
  await gone.close()
  const failing = once(second, 'error')
  second.write('x')
  t.is((await failing)[0].code, 'EPIPE')
  await other.closed
})

test('the peer\'s end without a reader of the duplex, then finished()', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  right.shutdown()
  duplex.resume()
  await new Promise((resolve, reject) => { finished(duplex, (error) => (error ? reject(error) : resolve())) })
  t.is(await right.read(Buffer.alloc(1)), 0)
})

test('the peer\'s end closes a duplex that nobody reads nor writes', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  await right.close()
  await left.closed
  t.true(duplex.destroyed)
})

test('closing the stream underneath lets out what a duplex that reads has written', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex().resume()
  const data = pattern(4 * MEGABYTE)
  duplex.write(data)
  const closing = left.close()
  t.true((await readAll(right)).equals(data))
  await closing
})

test('the peer\'s end ends the duplex, once what is on its way is written, unless told otherwise', async (t) => {
  for (const [options, ends] of [[undefined, true], [{ allowHalfOpen: false }, true], [{ allowHalfOpen: true }, false]]) {
    const [left, right] = pair(t)
    const duplex = left.toDuplex(options).resume()
    const data = pattern(2 * MEGABYTE)
    duplex.write(data)
    right.shutdown()
    await once(duplex, 'end')
    t.true((await readExactly(right, data.length)).equals(data))
    if (ends) {
      t.is(await right.read(Buffer.alloc(1)), 0)
      await left.closed
    } else {
      t.true(duplex.writable)
      duplex.end('more')
      t.is(String(await readAll(right)), 'more')
    }
  }
  t.throws(() => pair(t)[0].toDuplex({ allowHalfOpen: 'yes' }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('closing the stream underneath closes the duplex', async (t) => {
  const [left] = pair(t)
  const duplex = left.toDuplex()
  duplex.resume()
  const closed = once(duplex, 'close')
  await left.close()
  await closed
  t.true(duplex.destroyed)
})

test('a listener that throws is uncaught, and the stream reads on', async (t) => {
  const child = program(t, `
    import { UnixStream } from 'nearwire'
    const [left, right] = UnixStream.pair()
    process.on('uncaughtException', ({ message }) => console.log('uncaught', message))
    let count = 0
    const duplex = right.toDuplex().on('data', (chunk) => {
      if (++count === 1) throw new Error(String(chunk))
      console.log('data', String(chunk))
      duplex.destroy()
    })
    setImmediate(async () => {
      await left.write('first')
      setTimeout(() => left.write('second'), 10)
    })
  `)
  let stdout = ''
  child.stdout.on('data', (data) => { stdout += data })
  await until(() => child.exitCode !== null)
  t.is(stdout, 'uncaught first\ndata second\n')
})

test('setTimeout emits timeout after idleness, each time, and traffic puts it off', async (t) => {
  const [left, right] = pair(t)
  const duplex = left.toDuplex()
  let timeouts = 0
  duplex.setTimeout(500, () => { timeouts++ })
  duplex.resume()
  const begin = performance.now()
  while (performance.now() - begin < 700) {
    await right.write('x')
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  t.is(timeouts, 0)
  await once(duplex, 'timeout')
  t.is(timeouts, 1)
  duplex.setNoDelay().setKeepAlive().ref().unref()
  duplex.destroy()
  await left.closed
})

test('setTimeout: once an idleness, nothing after 0 or the end, whoever says so in its listener', async (t) => {
  const cases = [(duplex) => duplex.setTimeout(0), (duplex) => duplex.destroy(), () => {}]
  await Promise.all(cases.map(async (listener) => {
    const [left] = pair(t)
    const duplex = left.toDuplex()
    let timeouts = 0
    duplex.on('timeout', () => {
      timeouts++
      listener(duplex)
    })
    duplex.setTimeout(10)
    await once(duplex, 'timeout')
    const other = pair(t)[0].toDuplex().setTimeout(50)
    await once(other, 'timeout')
    t.is(timeouts, 1)
    duplex.destroy()
    duplex.setTimeout(10)
    await once(other.setTimeout(50), 'timeout')
    t.is(timeouts, 1)
  }))
  t.throws(() => pair(t)[0].toDuplex().setTimeout(-1), { code: 'ERR_OUT_OF_RANGE' })
})

test('web streams: whole, in both directions', async (t) => {
  const [left, right] = pair(t)
  t.is(left.readable, left.readable)
  t.is(left.writable, left.writable)
  const data = pattern(3 * MEGABYTE)
  const writer = left.writable.getWriter()
  const writing = writer.write(data).then(() => writer.close())
  const chunks = []
  for await (const chunk of right.readable) chunks.push(chunk)
  await writing
  t.true(Buffer.concat(chunks).equals(data))
  t.not(left.fd, -1)
  await right.write('still open')
  t.is(String(await readExactly(left, 10)), 'still open')
})

test('BYOB: reads go into the reader\'s own memory, and the end too', async (t) => {
  const [left, right] = pair(t)
  const reader = right.readable.getReader({ mode: 'byob' })
  await left.write('abcdef')
  const first = await reader.read(new Uint8Array(4))
  t.is(String(Buffer.from(first.value)), 'abcd')
  t.is(first.value.buffer.byteLength, 4)
  const second = await reader.read(new DataView(new ArrayBuffer(8), 2, 4))
  t.is(second.value.byteLength, 2)
  t.is(second.value.byteOffset, 2)
  const waiting = reader.read(new Uint8Array(4))
  t.false(await isSettled(waiting))
  left.shutdown()
  t.true((await waiting).done)
  await reader.closed
})

test('web streams do not read ahead of their reader', async (t) => {
  const [left, right] = pair(t)
  const reader = right.readable.getReader()
  await left.write('ab')
  t.is(String(Buffer.from((await reader.read()).value)), 'ab')
  reader.releaseLock()
  await left.write('cd')
  t.is(String(await readExactly(right, 2)), 'cd')
})

test('pipeTo and pipeThrough, with back-pressure', async (t) => {
  const [left, right] = pair(t)
  const data = pattern(4 * MEGABYTE)
  const source = new ReadableStream({
    start() { this.at = 0 },
    pull(controller) {
      if (this.at === data.length) controller.close()
      else controller.enqueue(data.subarray(this.at, this.at += MEGABYTE / 4))
    },
  })
  const chunks = []
  await Promise.all([
    source.pipeTo(left.writable),
    right.readable
      .pipeThrough(new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk) } }))
      .pipeTo(new WritableStream({ write(chunk) { chunks.push(chunk) } })),
  ])
  t.true(Buffer.concat(chunks).equals(data))
})

test('compressed on the way, by the platform\'s own streams', async (t) => {
  const [left, right] = pair(t)
  const text = 'all work and no play '.repeat(10_000)
  const sending = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip')).pipeTo(left.writable)
  const received = await new Response(right.readable.pipeThrough(new DecompressionStream('gzip'))).text()
  await sending
  t.is(received, text)
})

test('cancelling a web stream withdraws its read and loses nothing', async (t) => {
  const [left, right] = pair(t)
  const reader = right.readable.getReader()
  const waiting = reader.read()
  t.false(await isSettled(waiting))
  await reader.cancel('enough')
  t.true((await waiting).done)
  await left.write('kept')
  t.is(String(await readExactly(right, 4)), 'kept')
})

test('web streams: failures reach reader and writer', async (t) => {
  const [left, right] = pair(t)
  const reader = left.readable.getReader()
  await left.write('never read')
  await right.close()
  await t.throwsAsync(reader.read(), { instanceOf: SocketError, code: 'ECONNRESET' })
  const writer = left.writable.getWriter()
  await t.throwsAsync(writer.write(Buffer.from('x')), { instanceOf: SocketError, code: 'EPIPE' })
  await t.throwsAsync(writer.closed, { code: 'EPIPE' })
})

test('aborting a writable closes at once although the peer reads nothing', async (t) => {
  const [left, right] = pair(t)
  const writer = left.writable.getWriter()
  const writing = writer.write(Buffer.alloc(8 * MEGABYTE)).catch((error) => error)
  writer.closed.catch(() => {})
  t.false(await isSettled(writing))
  void writer.abort(new Error('enough')).catch(() => {})
  await left.closed
  t.true(await writing instanceof Error)
  t.true((await readAll(right)).length < 8 * MEGABYTE)
  drop(right)
})

test('Duplex.from and Readable.fromWeb take the web streams', async (t) => {
  const [left, right] = pair(t)
  const duplex = Duplex.fromWeb({ readable: left.readable, writable: left.writable })
  duplex.end('there')
  t.is(String(await readAll(right)), 'there')
  await right.write('back')
  right.shutdown()
  t.is(String(Buffer.concat(await collect(Readable.from(duplex)))), 'back')
})
