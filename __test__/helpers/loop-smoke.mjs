// What every runtime must be able to do, each with a line of its own. The last line is written when the process ends by
// itself, which it does only if nothing pending keeps it.
import { ok as assert, equal, rejects } from 'node:assert/strict'
import { createServer } from 'node:net'

import { UnixListener, UnixStream } from 'nearwire'

const name = (what) => `\0nearwire-smoke-${process.pid}-${what}`
const later = () => new Promise((resolve) => { setTimeout(resolve, 20) })

const cases = {
  async 'a read that waits'() {
    const [left, right] = UnixStream.pair()
    const into = new Uint8Array(8)
    const reading = left.read(into)
    await later()
    await right.write('hello')
    equal(await reading, 5)
    equal(Buffer.from(into.subarray(0, 5)).toString(), 'hello')
    await right.close()
    equal(await left.read(into), 0)
    await left.close()
  },

  async 'a write that waits'() {
    const [left, right] = UnixStream.pair()
    const size = 4 * 1024 * 1024
    const writing = left.write(new Uint8Array(size).fill(7))
    await later()
    const into = new Uint8Array(65_536)
    let total = 0
    while (total < size) total += await right.read(into)
    await writing
    equal(total, size)
    await Promise.all([left.close(), right.close()])
  },

  async 'connections, accepted and iterated'() {
    const listener = await UnixListener.listen(name('listener'))
    const serving = (async () => {
      let served = 0
      for await (const stream of listener) {
        for await (const chunk of stream) await stream.write(chunk)
        await stream.close()
        if (++served === 20) break
      }
    })()
    const into = new Uint8Array(8)
    for (let client = 0; client < 20; client++) {
      const stream = await UnixStream.connect(name('listener'))
      await stream.write(`n ${client}`)
      equal(await stream.read(into), `n ${client}`.length)
      await stream.close()
    }
    await serving
    await listener.close()
  },

  async 'framed messages both ways'() {
    const [left, right] = UnixStream.pair()
    const [asking, answering] = [left.framed(), right.framed()]
    const answers = (async () => {
      for await (const message of answering) await answering.send(message)
    })()
    const count = 20_000
    let received = 0
    const receiving = (async () => {
      for await (const message of asking) {
        assert(message.toString() === `message ${received}`)
        if (++received === count) return
      }
    })()
    for (let index = 0; index < count; index++) await asking.send(`message ${index}`)
    await receiving
    await asking.close()
    await answers
    await answering.close()
  },

  async 'an abort and a close settle what waits'() {
    const [left, right] = UnixStream.pair()
    const abort = new AbortController()
    const aborted = left.read(new Uint8Array(1), { signal: abort.signal })
    const closed = left.read(new Uint8Array(1))
    abort.abort(new Error('enough'))
    await rejects(aborted, /enough/)
    left.close()
    await rejects(closed, { code: 'ERR_SOCKET_CLOSED' })
    await right.close()
  },

  async 'node:net on the other side'() {
    const server = createServer((socket) => { socket.end('from net') })
    const path = `${process.argv[2]}/${process.pid}.sock`
    await new Promise((resolve) => { server.listen(path, resolve) })
    const stream = await UnixStream.connect(path)
    let text = ''
    for await (const chunk of stream) text += chunk.toString()
    equal(text, 'from net')
    await stream.close()
    await new Promise((resolve) => { server.close(resolve) })
  },

  async 'ten thousand round trips'() {
    const [left, right] = UnixStream.pair()
    const bounce = async (stream) => {
      const room = new Uint8Array(1)
      for (let round = 0; round < 10_000; round++) {
        assert(await stream.read(room) === 1)
        await stream.write(room)
      }
    }
    await left.write(Uint8Array.of(1))
    await Promise.all([bounce(right), bounce(left)])
    await Promise.all([left.close(), right.close()])
  },
}

for (const [what, run] of Object.entries(cases)) {
  await run()
  console.log(`ok ${what}`)
}

// None of these keeps the process, and the last message leaves with it.
const [idle, idlePeer] = UnixStream.pair()
idle.unref().read(new Uint8Array(1)).catch(() => {})
idlePeer.framed()
const last = await UnixStream.connect(process.argv[3])
last.framed().send('the last message')
