// Whatever is sent, waited for and taken back, and however it is received: all of it arrives once, in order, whole, and
// with its own descriptors.
import test from 'ava'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { UnixDatagram, UnixSeqpacket, UnixStream } from 'nearwire'
import { areSame, copiesOf, file } from './helpers/messages.mjs'

/** Tells the last message from all others. */
const LAST = 4

const sending = fc.record({
  length: fc.constantFrom(0, 1, 64, 5000, 20_000, 70_000),
  fds: fc.constantFrom(0, 0, 0, 1, 3),
  afterwards: fc.constantFrom('go on', 'let the loop turn', 'wait', 'flush', 'abort'),
})
const receiving = fc.oneof(
  fc.record({ how: fc.constantFrom('receive', 'peek', 'abort', 'batch') }),
  fc.record({ how: fc.constant('cut'), maxLength: fc.constantFrom(0, 1, 100, 20_000) }),
  fc.record({ how: fc.constant('iterate'), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ how: fc.constant('let it fill'), turns: fc.integer({ min: 1, max: 60 }) }),
)

const turn = () => new Promise((resolve) => { setImmediate(resolve) })

/** Settles with the promise; answers whether it was fulfilled, and not aborted. */
async function isDone(promise, signal) {
  try {
    await promise
    return true
  } catch (error) {
    if (error === signal.reason) return false
    throw error
  }
}

/** Sends all of that and a last one; answers what was sent. */
async function sendAll(socket, all, fd) {
  const sent = []
  for (const [index, { length, fds, afterwards }] of all.entries()) {
    const message = { data: Buffer.alloc(length, index + 1), fds: Array.from({ length: fds }, () => fd) }
    const controller = new AbortController()
    const waiting = socket.send(message.data, {
      fds: message.fds, ...(afterwards === 'abort' ? { signal: controller.signal } : {}),
    })
    if (afterwards === 'wait') await waiting
    else if (afterwards === 'flush') await socket.flush()
    else if (afterwards !== 'go on') await turn()
    controller.abort()
    if (afterwards !== 'abort' || await isDone(waiting, controller.signal)) sent.push(message)
  }
  const last = { data: Buffer.alloc(LAST), fds: [] }
  await socket.send(last.data)
  await socket.flush()
  return [...sent, last]
}

/** Receives in all these ways, over and over, until the last one; answers what came, and to how much it was cut. */
async function receiveAll(socket, ways) {
  const received = []
  let seen
  const take = (message, maxLength = Infinity) => {
    received.push({ message, maxLength, seen })
    seen = undefined
  }
  for (let index = 0; received.at(-1)?.message.fullLength !== LAST; index++) {
    const { how, maxLength, count, turns } = ways[index % ways.length]
    if (how === 'receive') take(await socket.receive())
    else if (how === 'cut') take(await socket.receive({ maxLength }), maxLength)
    else if (how === 'peek') seen = await socket.receive({ peek: true })
    else if (how === 'batch') for (const message of (await socket.batches().next()).value) take(message)
    else if (how === 'iterate') {
      let left = count
      for await (const message of socket) {
        take(message)
        if (--left === 0 || message.fullLength === LAST) break
      }
    } else if (how === 'let it fill') {
      for (let left = turns; left > 0; left--) await turn()
    } else {
      const controller = new AbortController()
      const waiting = socket.receive({ signal: controller.signal })
      await turn()
      controller.abort()
      if (await isDone(waiting, controller.signal)) take(await waiting)
    }
  }
  return received
}

for (const [kind, Class] of [['datagram', UnixDatagram], ['seqpacket', UnixSeqpacket]]) {
  test(`${kind}: any mixture of ways to send and to receive`, async (t) => {
    const fd = file(t, 'passed')
    const all = fc.array(sending, { minLength: 1, maxLength: 60, size: 'max' })
    const ways = fc.array(receiving, { minLength: 1, maxLength: 6 })
      // Somebody has to take.
      .filter((some) => some.some(({ how }) => ['receive', 'cut', 'batch', 'iterate'].includes(how)))
    await fc.assert(fc.asyncProperty(all, ways, async (given, how) => {
      const [left, right] = Class.pair({ sendBuffer: 100_000 })
      try {
        const [sent, received] = await Promise.all([sendAll(left, given, fd), receiveAll(right, how)])
        assert.equal(received.length, sent.length)
        for (const [index, { message, maxLength, seen }] of received.entries()) {
          const { data, fds } = sent[index]
          const expected = data.subarray(0, maxLength)
          assert.ok(message.data.equals(expected), `message ${index}`)
          assert.equal(message.fullLength, data.length)
          assert.equal(message.truncated, expected.length < data.length)
          assert.equal(message.fds.length, fds.length)
          assert.ok(message.fds.every((passed) => areSame(passed, fd)))
          message.fds.forEach((passed) => closeSync(passed))
          assert.ok(seen === undefined || (seen.data.equals(data) && seen.fds.length === 0))
        }
      } finally {
        await Promise.all([left.destroy(), right.destroy()])
      }
    }), { numRuns: 100 })
    t.is(copiesOf(fd), 1)
  })
}

/** Sends all of that on a stream, and its end; answers what was sent. */
async function sendStream(stream, all, fd) {
  const sent = []
  for (const [index, { length, fds, afterwards }] of all.entries()) {
    const data = Buffer.alloc(length + 1, index + 1)
    const controller = new AbortController()
    const options = afterwards === 'abort' ? { signal: controller.signal } : undefined
    const waiting = fds === 0
      ? stream.write(data, options)
      : stream.sendMessage({ data, fds: Array.from({ length: fds }, () => fd) }, options)
    // Those that nobody waits for go out one after the other, too.
    if (afterwards === 'wait' || afterwards === 'flush') await waiting
    else if (afterwards !== 'go on') await turn()
    controller.abort()
    // What has begun goes on.
    const isCertain = afterwards !== 'abort' || await isDone(waiting, controller.signal)
    sent.push({ data, fds, isCertain })
  }
  stream.shutdown()
  return sent
}

/** Receives in all these ways, over and over, until the end. */
async function receiveStream(stream, ways) {
  const received = []
  for (let index = 0; ; index++) {
    const { maxLength, turns = 0, abort = false } = ways[index % ways.length]
    for (let left = turns; left > 0; left--) await turn()
    const controller = new AbortController()
    const waiting = stream.receiveMessage({ ...(maxLength ? { maxLength } : {}), signal: controller.signal })
    if (abort) {
      await turn()
      controller.abort()
    }
    if (!(await isDone(waiting, controller.signal))) continue
    const message = await waiting
    if (message === null) return received
    received.push(message)
  }
}

test('stream: any mixture of writes and messages, however they are cut', async (t) => {
  const fd = file(t, 'passed')
  const messages = fc.array(sending, { minLength: 1, maxLength: 60, size: 'max' })
  const ways = fc.array(fc.record({
    maxLength: fc.constantFrom(undefined, 1000, 7001, 100_000),
    turns: fc.integer({ min: 0, max: 20 }),
    abort: fc.boolean(),
  }), { minLength: 1, maxLength: 6 })
  await fc.assert(fc.asyncProperty(messages, ways, async (given, how) => {
    const [left, right] = UnixStream.pair({ sendBuffer: 50_000 })
    try {
      const [all, received] = await Promise.all([sendStream(left, given, fd), receiveStream(right, how)])
      const bytes = Buffer.concat(received.map(({ data }) => data))
      const sent = all.filter(({ data, isCertain }) => isCertain || bytes.includes(data[0]))
      assert.ok(bytes.equals(Buffer.concat(sent.map(({ data }) => data))))

      // Where in the stream the descriptors were sent: they come with the first of those bytes, and none behind them.
      let at = 0
      const passed = sent.map(({ data, fds }) => ({ fds, start: at, end: at += data.length })).filter(({ fds }) => fds > 0)
      at = 0
      for (const { data, fds } of received) {
        const [start, end] = [at, at += data.length]
        if (fds.length === 0) continue
        const expected = passed.shift()
        assert.equal(fds.length, expected?.fds)
        assert.ok(start <= expected.start && expected.start < end && end <= expected.end)
        assert.ok(fds.every((one) => areSame(one, fd)))
        fds.forEach((one) => closeSync(one))
      }
      assert.equal(passed.length, 0)
    } finally {
      await Promise.all([left.destroy(), right.destroy()])
    }
  }), { numRuns: 100 })
  t.is(copiesOf(fd), 1)
})
