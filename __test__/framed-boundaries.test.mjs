// Messages arrive whole wherever the bytes are cut, for every framing.
import test from 'ava'
import * as fc from 'fast-check'
import { delimiter, lengthPrefix, UnixStream } from 'nearwire'
import { collect, drop, pair, readAll, ran } from './helpers/sockets.mjs'

const framings = {
  '1 byte': lengthPrefix({ bytes: 1 }),
  '2 bytes, big-endian': lengthPrefix({ bytes: 2 }),
  '2 bytes, little-endian': lengthPrefix({ bytes: 2, endian: 'little' }),
  '4 bytes, big-endian': lengthPrefix(),
  '4 bytes, little-endian': lengthPrefix({ bytes: 4, endian: 'little' }),
  '8 bytes, big-endian': lengthPrefix({ bytes: 8 }),
  '8 bytes, little-endian': lengthPrefix({ bytes: 8, endian: 'little' }),
  varint: lengthPrefix({ bytes: 'varint' }),
  newline: delimiter('\n'),
  NUL: delimiter('\0'),
  'carriage return and newline': delimiter('\r\n'),
  'a delimiter that overlaps itself': delimiter('aab'),
  'a delimiter of bytes': delimiter(Uint8Array.of(0xff, 0, 0xff)),
}

/** Such a message may not even begin to look like a delimiter: the delimiters above need a, \r, \n, NUL or 0xff. */
const messages = ['one', '', 'x', 'sixteen bytes ..', '', '', 'z'.repeat(200), 'last'].map((text) => Buffer.from(text))

/** What our side sends for messages. */
async function encoded(framing, list) {
  const [left, right] = UnixStream.pair()
  const framed = left.framed({ framing })
  for (const message of list) framed.send(message)
  await framed.close()
  const bytes = await readAll(right)
  drop(right)
  return bytes
}

for (const [name, framing] of Object.entries(framings)) {
  test(`${name}: cut in two at every byte`, async (t) => {
    const bytes = await encoded(framing, messages)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const [left, right] = UnixStream.pair()
      await left.write(bytes.subarray(0, cut))
      const iterator = right.framed({ framing })[Symbol.asyncIterator]()
      const nexts = messages.map(() => iterator.next())
      await left.write(bytes.subarray(cut))
      left.shutdown()
      const got = (await Promise.all(nexts)).map(({ value }) => value)
      if (!got.every((message, index) => messages[index].equals(message))) t.deepEqual(got, messages, `cut at ${cut}`)
      if (!(await iterator.next()).done) t.fail(`more than was sent, cut at ${cut}`)
      drop(left)
      drop(right)
    }
    t.pass()
  })

  test(`${name}: one byte at a time`, async (t) => {
    const bytes = await encoded(framing, messages)
    const [left, right] = pair(t)
    const receiving = collect(right.framed({ framing }))
    for (const byte of bytes) await left.write(Buffer.of(byte))
    left.shutdown()
    t.deepEqual(await receiving, messages)
  })

  test(`${name}: any messages, any cuts, by message and by batch`, async (t) => {
    const byte = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 10, 13, 97, 98, 255) }, fc.nat(255))
    const message = fc.array(byte, { maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    await fc.assert(fc.asyncProperty(fc.array(message, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 8 }), async (all, cuts) => {
      const sendable = []
      const [left, right] = UnixStream.pair()
      const sender = left.framed({ framing })
      for (const one of all) {
        try {
          sender.send(one)
          sendable.push(one)
        } catch (error) {
          // Refused aloud, or it arrives: nothing in between.
          if (error.code !== 'ERR_DELIMITER_IN_MESSAGE') throw error
        }
      }
      await sender.close()
      const bytes = await readAll(right)
      drop(right)
      for (const batched of [false, true]) {
        const [writer, reader] = UnixStream.pair()
        const framed = reader.framed({ framing })
        const receiving = batched
          ? collect(framed.batches()).then((batches) => batches.flatMap((batch) => [...batch]))
          : collect(framed)
        let at = 0
        for (const cut of cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)) {
          await writer.write(bytes.subarray(at, cut))
          at = cut
          await new Promise((resolve) => { setImmediate(resolve) })
        }
        await writer.write(bytes.subarray(at))
        writer.shutdown()
        t.deepEqual(await receiving, sendable)
        drop(writer)
        drop(reader)
      }
    }), { numRuns: 40 })
  })
}

test('the bytes on the wire are those that others expect', async (t) => {
  const wire = async (framing, message) => [...await encoded(framing, [message])]
  t.deepEqual(await wire(lengthPrefix({ bytes: 1 }), 'ab'), [2, 97, 98])
  t.deepEqual(await wire(lengthPrefix({ bytes: 2 }), 'ab'), [0, 2, 97, 98])
  t.deepEqual(await wire(lengthPrefix({ bytes: 2, endian: 'little' }), 'ab'), [2, 0, 97, 98])
  t.deepEqual(await wire(lengthPrefix(), 'ab'), [0, 0, 0, 2, 97, 98])
  t.deepEqual(await wire(lengthPrefix({ endian: 'little' }), 'ab'), [2, 0, 0, 0, 97, 98])
  t.deepEqual(await wire(lengthPrefix({ bytes: 8 }), 'ab'), [0, 0, 0, 0, 0, 0, 0, 2, 97, 98])
  t.deepEqual(await wire(lengthPrefix({ bytes: 8, endian: 'little' }), 'ab'), [2, 0, 0, 0, 0, 0, 0, 0, 97, 98])
  t.deepEqual((await wire(lengthPrefix({ bytes: 'varint' }), 'x'.repeat(300))).slice(0, 3), [0xac, 0x02, 120])
  t.deepEqual(await wire(delimiter('\r\n'), 'ab'), [97, 98, 13, 10])
  t.deepEqual((await wire(lengthPrefix({ bytes: 2 }), 'x'.repeat(0x1234))).slice(0, 2), [0x12, 0x34])
  t.deepEqual((await wire(lengthPrefix({ endian: 'little' }), 'x'.repeat(0x12345))).slice(0, 4), [0x45, 0x23, 1, 0])
})

test('a varint may be longer than it must, up to ten bytes', async (t) => {
  const [left, right] = pair(t)
  await left.write(Buffer.of(0x82, 0x80, 0x00, 97, 98))
  left.shutdown()
  t.deepEqual((await collect(right.framed({ framing: lengthPrefix({ bytes: 'varint' }) }))).map(String), ['ab'])
})

test('a message that a delimiter could not tell apart is refused', (t) => {
  const [left] = pair(t)
  const refused = { instanceOf: TypeError, code: 'ERR_DELIMITER_IN_MESSAGE' }
  const lines = left.framed({ framing: delimiter('\n') })
  t.throws(() => lines.send('two\nlines'), { ...refused, message: /at byte 3/ })
  t.throws(() => lines.send('\n'), refused)
  const [other] = pair(t)
  const overlapping = other.framed({ framing: delimiter('aa') })
  // With the delimiter behind it, 'xa' would end a byte too early.
  t.throws(() => overlapping.send('xa'), { ...refused, message: /at byte 1/ })
  t.notThrows(() => overlapping.send('ax'))
})

for (const size of [64 * 1024 - 4, 64 * 1024, 64 * 1024 + 1, 1024 * 1024, 5_000_001, 16 * 1024 * 1024]) {
  test(`a message of ${size} bytes between small ones`, async (t) => {
    const [left, right] = pair(t)
    const sender = left.framed()
    const large = Buffer.alloc(size, 'abcdefg')
    const receiving = collect(right.framed())
    await sender.send('before')
    await sender.send(large)
    await sender.send('after')
    await sender.close()
    const [before, between, after, ...rest] = await receiving
    t.is(String(before), 'before')
    t.true(between.equals(large))
    t.is(String(after), 'after')
    t.is(rest.length, 0)
  })
}

test('a large message by delimiter', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ framing: delimiter('\r\n') })
  const large = Buffer.alloc(8 * 1024 * 1024, 'x\r')
  const receiving = collect(right.framed({ framing: delimiter('\r\n') }))
  await sender.send(large.subarray(0, -1))
  await sender.close()
  const [message] = await receiving
  t.true(message.equals(large.subarray(0, -1)))
})

for (const [how, framing] of [['a length', 'lengthPrefix()'], ['a delimiter', "delimiter('\\n')"]]) {
  test(`large messages by ${how}, on several streams at once, are moved a few times only`, async (t) => {
    const { code, stdout, stderr } = await ran(t, `
      import { delimiter, lengthPrefix, UnixStream } from 'nearwire'
      let moved = 0
      const { copy } = Buffer.prototype
      Buffer.prototype.copy = function (...all) {
        const count = copy.apply(this, all)
        moved += count
        return count
      }
      const message = Buffer.alloc(6 * 1024 * 1024, 'x')
      const received = Array.from({ length: 3 }, async () => {
        const [left, right] = UnixStream.pair()
        const sender = left.framed({ framing: ${framing} })
        sender.send('before')
        sender.send(message)
        sender.send('after')
        const receiver = right.framed({ framing: ${framing} })[Symbol.asyncIterator]()
        const [, { value }] = [await receiver.next(), await receiver.next(), await receiver.next()]
        return value.equals(message)
      })
      console.log((await Promise.all(received)).join(), moved < 4 * 3 * message.length ? 'a few times' : moved)
      process.exit()
    `)
    t.is(code, 0, stderr)
    t.is(stdout, 'true,true,true a few times\n')
  })
}

test('messages that were received stay as they are', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  const receiving = collect(right.framed())
  const sent = []
  for (let index = 0; index < 20_000; index++) {
    const message = `message ${index} ${'.'.repeat(index % 300)}`
    sent.push(message)
    await sender.send(message)
  }
  await sender.close()
  t.deepEqual((await receiving).map(String), sent)
})

test('two streams that read in turns do not get at each other\'s bytes', async (t) => {
  const streams = Array.from({ length: 20 }, () => pair(t))
  const all = streams.map(([, right]) => collect(right.framed()))
  const senders = streams.map(([left]) => left.framed())
  for (let round = 0; round < 200; round++) {
    for (const [index, sender] of senders.entries()) {
      const message = Buffer.alloc(round * 37 % 5000, index)
      // Cut anywhere, so that every stream keeps a piece while others read.
      sender.send(message)
      if (round % 7 === index % 7) await sender.flush()
    }
  }
  await Promise.all(senders.map((sender) => sender.close()))
  for (const [index, messages] of (await Promise.all(all)).entries()) {
    t.is(messages.length, 200)
    t.true(messages.every((message, round) => message.equals(Buffer.alloc(round * 37 % 5000, index))))
  }
})
