// What goes wrong between framed streams, and that it is told once, in time, and to the right one.
import test from 'ava'
import { delimiter, json, lengthPrefix, SocketError, structured, text } from 'nearwire'
import { collect, drop, isSettled, pair, ran, readExactly } from './helpers/sockets.mjs'

const ended = { instanceOf: SocketError, code: 'ERR_UNEXPECTED_END' }
const tooLong = { instanceOf: SocketError, code: 'ERR_MESSAGE_TOO_LONG' }

for (const [name, framing, whole, part] of [
  ['prefix', lengthPrefix(), '\0\0\0\x01a\0\0\0\x01b', '\0\0\0\x05half'],
  ['a cut prefix', lengthPrefix(), '\0\0\0\x01a\0\0\0\x01b', '\0\0'],
  ['varint', lengthPrefix({ bytes: 'varint' }), '\x01a\x01b', '\x05half'],
  ['delimiter', delimiter('\r\n'), 'a\r\nb\r\n', 'half'],
  ['a cut delimiter', delimiter('\r\n'), 'a\r\nb\r\n', '\r'],
]) {
  test(`a peer that ends within a message (${name}): the whole ones before it, then ERR_UNEXPECTED_END`, async (t) => {
    const [left, right] = pair(t)
    await left.write(whole + part)
    left.shutdown()
    const framed = right.framed({ framing })
    const iterator = framed[Symbol.asyncIterator]()
    t.is(String((await iterator.next()).value), 'a')
    t.is(String((await iterator.next()).value), 'b')
    const error = await t.throwsAsync(iterator.next(), ended)
    t.regex(error.message, new RegExp(`within a message, ${part.length} bytes`))
    t.true((await iterator.next()).done)
    await t.throwsAsync(collect(framed), ended)
    await t.throwsAsync(collect(framed.batches()), ended)
  })
}

test('by batches too: the whole ones, then the error', async (t) => {
  const [left, right] = pair(t)
  await left.write('a\nb\nhalf')
  left.shutdown()
  const iterator = right.framed({ framing: delimiter('\n'), codec: text() }).batches()
  t.deepEqual([...(await iterator.next()).value], ['a', 'b'])
  await t.throwsAsync(iterator.next(), ended)
})

test('a peer that resets within a message: ECONNRESET after the whole ones', async (t) => {
  const [left, right] = pair(t)
  const framed = right.framed()
  await right.write('never read')
  await left.write('\0\0\0\x01a\0\0\0\x05half')
  await left.close()
  const iterator = framed[Symbol.asyncIterator]()
  t.is(String((await iterator.next()).value), 'a')
  await t.throwsAsync(iterator.next(), { instanceOf: SocketError, code: 'ECONNRESET' })
})

for (const [name, framing, bytes] of [
  ['1 byte', lengthPrefix({ bytes: 1 }), [101]],
  ['2 bytes', lengthPrefix({ bytes: 2 }), [255, 255]],
  ['4 bytes', lengthPrefix(), [255, 255, 255, 255]],
  ['8 bytes', lengthPrefix({ bytes: 8 }), [255, 255, 255, 255, 255, 255, 255, 255]],
  ['8 bytes, little-endian', lengthPrefix({ bytes: 8, endian: 'little' }), [0, 0, 0, 0, 1, 0, 0, 0]],
  ['varint', lengthPrefix({ bytes: 'varint' }), [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ['an endless varint', lengthPrefix({ bytes: 'varint' }), Array.from({ length: 11 }, () => 0x80)],
]) {
  test(`a length over maxLength (${name}) is an error as soon as it can be told`, async (t) => {
    const [left, right] = pair(t)
    await left.write(Buffer.from(bytes))
    const framed = right.framed({ framing, maxLength: 100 })
    const error = await t.throwsAsync(collect(framed), tooLong)
    t.regex(error.message, /maxLength/)
    await t.throwsAsync(collect(framed.batches()), tooLong)
  })
}

test('a message of maxLength is fine, one byte more is not, in either direction', async (t) => {
  for (const [framing, tooMuch] of [
    [lengthPrefix(), Buffer.of(0, 0, 0, 11)], [lengthPrefix({ bytes: 'varint' }), Buffer.of(11)],
    [delimiter('\n'), 'x'.repeat(11)], [delimiter('\n'), `${'x'.repeat(11)}\n`], [delimiter('\r\n'), `${'x'.repeat(11)}\r\n`],
  ]) {
    const [left, right] = pair(t)
    const sender = left.framed({ framing, maxLength: 10 })
    await sender.send('x'.repeat(10))
    const error = t.throws(() => { sender.send('x'.repeat(11)) }, { instanceOf: RangeError, code: 'ERR_MESSAGE_TOO_LONG' })
    t.regex(error.message, /at most 10 bytes \(maxLength\), not 11/)
    await left.write(tooMuch)
    await sender.close()
    const iterator = right.framed({ framing, maxLength: 10 })[Symbol.asyncIterator]()
    t.is((await iterator.next()).value.length, 10)
    await t.throwsAsync(iterator.next(), tooLong)
  }
})

test('delimited messages without an end are refused at maxLength, not gathered', async (t) => {
  const [left, right] = pair(t)
  const framed = right.framed({ framing: delimiter('\n'), maxLength: 1000 })
  const receiving = collect(framed)
  await left.write('x'.repeat(999))
  t.false(await isSettled(receiving))
  await left.write('xx')
  await t.throwsAsync(receiving, tooLong)
})

test('a peer that announces 4 GiB costs no memory', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { lengthPrefix, UnixStream } from 'nearwire'
    const before = process.memoryUsage()
    const codes = new Set()
    for (let round = 0; round < 200; round++) {
      const [left, right] = UnixStream.pair()
      await left.write(Buffer.from([255, 255, 255, 255, 1, 2, 3]))
      try { for await (const message of right.framed()) console.log(message) } catch (error) { codes.add(error.code) }
      await left.close()
      await right.close()
    }
    const after = process.memoryUsage()
    console.log([...codes].join(), (after.rss - before.rss) < 64e6, (after.arrayBuffers - before.arrayBuffers) < 16e6)
  `)
  t.is(code, 0, stderr)
  t.is(stdout, 'ERR_MESSAGE_TOO_LONG true true\n')
})

test('a codec that cannot decode: this message is an error, the loop is over, the next loop has the next one', async (t) => {
  const [left, right] = pair(t)
  await left.write('{"a":1}\nnot json\n{"b":2}\n')
  left.shutdown()
  const framed = right.framed({ framing: delimiter('\n'), codec: json() })
  const iterator = framed[Symbol.asyncIterator]()
  t.deepEqual((await iterator.next()).value, { a: 1 })
  await t.throwsAsync(iterator.next(), { instanceOf: SyntaxError })
  t.true((await iterator.next()).done)
  t.deepEqual(await collect(framed), [{ b: 2 }])
})

test('calls to next() that overlap: the error goes to the one whose message it is', async (t) => {
  const [left, right] = pair(t)
  const iterator = right.framed({ framing: delimiter('\n'), codec: json() })[Symbol.asyncIterator]()
  const nexts = [iterator.next(), iterator.next(), iterator.next()]
  await left.write('1\nx\n3\n')
  t.is((await nexts[0]).value, 1)
  await t.throwsAsync(nexts[1], { instanceOf: SyntaxError })
  t.is((await nexts[2]).value, 3)
  t.true((await iterator.next()).done)
})

test('a codec that cannot decode, in a batch: only that message throws', async (t) => {
  const [left, right] = pair(t)
  await left.write('1\nx\n3\n')
  const { value: batch } = await right.framed({ framing: delimiter('\n'), codec: json() }).batches().next()
  t.is(batch.length, 3)
  t.is(batch.at(0), 1)
  t.throws(() => batch.at(1), { instanceOf: SyntaxError })
  t.is(batch.at(2), 3)
})

test('what cannot be encoded throws from send and sends nothing', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ codec: json() })
  t.throws(() => sender.send(undefined), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => sender.send(() => {}), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => sender.send(10n), { instanceOf: TypeError })
  const circle = {}
  circle.self = circle
  t.throws(() => sender.send(circle), { instanceOf: TypeError })
  sender.send('fine')
  await sender.close()
  t.deepEqual(await collect(right.framed({ codec: json() })), ['fine'])
  const [other] = pair(t)
  t.throws(() => other.framed({ codec: structured() }).send(() => {}), { message: /could not be cloned/ })
  const [third] = pair(t)
  t.throws(() => third.framed({ codec: { encode: () => 7, decode: String } }).send('x'), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('after the peer is gone: send throws, flush rejects, and the iterator after the whole messages', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  await right.write('\0\0\0\x01a')
  await right.close()
  framed.send('into the void')
  const failed = { instanceOf: SocketError, code: 'EPIPE' }
  await t.throwsAsync(framed.flush(), failed)
  t.throws(() => framed.send('x'), failed)
  t.throws(() => framed.send(Buffer.alloc(100_000)), failed)
  await t.throwsAsync(framed.flush(), failed)
  const iterator = framed[Symbol.asyncIterator]()
  t.is(String((await iterator.next()).value), 'a')
  await t.throwsAsync(iterator.next(), failed)
})

test('a failure while the loop flushes is told to whoever comes next', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  await right.close()
  framed.send('into the void')
  // Flushed by the loop, not by us.
  await new Promise((resolve) => { setImmediate(resolve) })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.throws(() => framed.send('x'), { instanceOf: SocketError, code: 'EPIPE' })
  await t.throwsAsync(framed.flush(), { code: 'EPIPE' })
})

test('a promise that send answered rejects when the peer goes away', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  let pressure
  while (pressure === undefined) pressure = framed.send(Buffer.alloc(10_000))
  const flushing = framed.flush()
  await right.close()
  for (const promise of [pressure, flushing]) {
    const error = await t.throwsAsync(promise, { instanceOf: SocketError })
    t.true(['EPIPE', 'ECONNRESET'].includes(error.code))
  }
  t.throws(() => { framed.send('x') }, { instanceOf: SocketError })
})

test('a promise that send answered and nobody waits for does not end the process', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { UnixStream } from 'nearwire'
    const [left, right] = UnixStream.pair()
    const framed = left.framed()
    while (framed.send(Buffer.alloc(10_000)) === undefined);
    await right.close()
    try {
      // Until the loop has seen that the peer is gone.
      for (;;) {
        framed.send('x')
        await new Promise(setImmediate)
      }
    } catch (error) {
      console.log(error.code)
    }
  `)
  t.is(code, 0, stderr)
  t.regex(stdout, /^(EPIPE|ECONNRESET)\n$/)
})

test('send and flush after close are ERR_SOCKET_CLOSED, also when nothing had ever been sent, also while closing', async (t) => {
  const closed = { instanceOf: SocketError, code: 'ERR_SOCKET_CLOSED' }
  const [silent] = pair(t)
  const framed = silent.framed()
  await framed.close()
  t.deepEqual(await collect(framed), [])
  t.throws(() => framed.send('x'), closed)
  t.throws(() => framed.send(Buffer.alloc(100_000)), closed)

  const [used] = pair(t)
  const second = used.framed()
  second.send('x')
  await second.close()
  t.throws(() => second.send('x'), closed)

  const [slow, reader] = pair(t)
  const third = slow.framed()
  while (third.send(Buffer.alloc(10_000)) === undefined);
  const closing = third.close()
  t.throws(() => third.send('x'), closed)
  t.throws(() => third.send(Buffer.alloc(100_000)), closed)
  drop(reader)
  await closing
})

test('send after shutdown is EPIPE', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed()
  framed.send('last')
  left.shutdown()
  t.throws(() => framed.send('too late'), { instanceOf: SocketError, code: 'EPIPE' })
  t.deepEqual((await collect(right.framed())).map(String), ['last'])
  const [other] = pair(t)
  const silent = other.framed()
  other.shutdown()
  t.throws(() => silent.send('too late'), { instanceOf: SocketError, code: 'EPIPE' })
})

test('an end while nothing is half is an end, and what is sent afterwards still arrives', async (t) => {
  const [left, right] = pair(t)
  left.shutdown()
  const framed = right.framed()
  t.deepEqual(await collect(framed), [])
  t.deepEqual(await collect(framed), [])
  framed.send('answer')
  await framed.flush()
  t.is(String(await readExactly(left, 10)).slice(4), 'answer')
})
