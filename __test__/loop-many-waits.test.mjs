// Tens of thousands of operations that wait at the same time: in processes of their own, for they take every descriptor.
import { readFileSync } from 'node:fs'

import test from 'ava'
import { UnixDatagram, UnixSeqpacket, UnixStream } from 'nearwire'

import { runScript } from './helpers/loop.mjs'
import { isSettled } from './helpers/sockets.mjs'

const WANTED_PAIRS = 10_000
/** Fewer descriptors than for so many would prove nothing. */
const LEAST_PAIRS = 2_500

const limit = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity)
// Each pair is two descriptors; leave some to the rest of the process.
const pairs = Math.min(WANTED_PAIRS, Math.floor((limit - 200) / 2))
const enough = pairs >= LEAST_PAIRS
if (!enough) console.warn(`SKIPPED: only ${limit} descriptors may be open, even when raised (ulimit -Hn)`)
const run = enough ? test.serial : test.serial.skip

const setUp = `
  import assert from 'node:assert/strict'
  import { UnixStream } from 'nearwire'
  const EACH = 4
  const pairs = Array.from({ length: ${pairs} }, () => UnixStream.pair())
  const readAll = (aborts) => pairs.flatMap(([left], index) => Array.from({ length: EACH }, () => {
    const into = new Uint8Array(1)
    return left.read(into, aborts && { signal: aborts[index].signal }).then((count) => (count === 1 ? into[0] : -1))
  }))
`

const cases = {
  'wait and all get their own byte': `
    const reads = readAll()
    for (const [, right] of pairs) await right.write(Uint8Array.of(0, 1, 2, 3))
    const bytes = await Promise.all(reads)
    assert(bytes.every((byte, index) => byte === index % EACH))`,
  'are aborted at once and cost the next ones nothing': `
    // A signal each: node's own takes quadratic time for thousands of listeners.
    const aborts = pairs.map(() => new AbortController())
    const aborted = readAll(aborts).map((read) => read.then(() => 'read', (error) => error))
    const kept = pairs.map(([left]) => left.read(new Uint8Array(8)))
    const reason = new Error('enough')
    for (const abort of aborts) abort.abort(reason)
    assert((await Promise.all(aborted)).every((outcome) => outcome === reason))
    for (const [, right] of pairs) await right.write('byte')
    assert((await Promise.all(kept)).every((count) => count === 4))`,
  'are settled by closing': `
    const reads = readAll().map((read) => read.then(() => 'read', (error) => error.code))
    await Promise.all(pairs.map(([left]) => left.close()))
    assert((await Promise.all(reads)).every((code) => code === 'ERR_SOCKET_CLOSED'))
    assert.equal((await import('node:fs')).readdirSync('/proc/self/fd').length < ${pairs} + 100, true)`,
  'are nothing that keeps a process from exiting': `
    readAll().forEach((read) => read.catch(() => {}))
    await new Promise((resolve) => { setImmediate(resolve) })
    console.log('done')
    process.exit(0)`,
}

for (const [name, text] of Object.entries(cases)) {
  run(`${pairs * 4} reads on ${pairs} streams ${name}`, async (t) => {
    const end = text.includes('process.exit') ? '' : `console.log('done')`
    const ended = await runScript(`${setUp}${text}\n${end}`, { shell: 'ulimit -n "$(ulimit -Hn)"', limit: 90_000 })
    t.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: 'done\n' }, ended.stderr)
  })
}

test.serial('writes that wait for room on hundreds of streams all go out', async (t) => {
  const ended = await runScript(`
    import assert from 'node:assert/strict'
    import { UnixStream } from 'nearwire'
    const size = 1024 * 1024
    const pairs = Array.from({ length: 300 }, () => UnixStream.pair())
    const bytes = new Uint8Array(size).fill(7)
    const writes = pairs.map(([left]) => left.write(bytes))
    const room = new Uint8Array(65_536)
    await Promise.all(pairs.map(async ([, right]) => {
      let total = 0
      while (total < size) total += await right.read(room)
      assert.equal(total, size)
    }))
    await Promise.all(writes)
    console.log('done')
  `, { limit: 90_000 })
  t.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: 'done\n' }, ended.stderr)
})

test('a reader that has not waited for long is woken when it waits again, every time', async (t) => {
  for (const [left, right, read] of [
    [...UnixStream.pair(), async (socket) => socket.read(new Uint8Array(8))],
    [...UnixStream.pair(), async (socket) => (await socket.receiveMessage()).data.length],
    [...UnixDatagram.pair(), async (socket) => (await socket.receive()).data.length],
    [...UnixSeqpacket.pair(), async (socket) => (await socket.receive()).data.length],
  ]) {
    const send = (data) => (left instanceof UnixStream ? left.write(data) : left.send(data))
    for (let round = 0; round < 20; round++) {
      // As often as the native side forgets that somebody may wait, and more.
      for (let index = 0; index < 40; index++) {
        await send('x')
        t.is(await read(right), 1)
      }
      const waiting = read(right)
      t.false(await isSettled(waiting))
      await send('wake')
      t.is(await waiting, 4)
    }
    await Promise.all([left.close(), right.close()])
  }
})
