// What was sent reaches the peer however the sender ends, short of being killed.
import test from 'ava'

import { collector, lengthPrefixed, runScript } from './helpers/loop.mjs'

const connect = `
  import { UnixStream } from 'nearwire'
  const stream = await UnixStream.connect(process.argv[1])
`

const MESSAGES = 100

const sendAll = `
  const framed = stream.framed()
  for (let index = 0; index < ${MESSAGES}; index++) framed.send('message ' + index)
`

/** Reads and writes of every sort that will never end, and keep nothing alive. */
const pend = `
  const [held, peer] = UnixStream.pair()
  held.unref().read(new Uint8Array(1)).catch(() => {})
  peer.unref().write(new Uint8Array(8 * 1024 * 1024)).catch(() => {})
`

const endings = {
  'process.exit()': { text: 'process.exit(7)', code: 7 },
  'process.exit() inside a settled promise': { text: 'Promise.resolve().then(() => process.exit(7))', code: 7 },
  'an uncaught exception': { text: 'throw new Error("part of the test")', code: 1, stderr: /part of the test/ },
  'an unhandled rejection': {
    text: 'Promise.reject(new Error("part of the test"))', code: 1, stderr: /part of the test/,
  },
  'an exception in a timer': {
    text: 'setImmediate(() => { throw new Error("part of the test") })', code: 1, stderr: /part of the test/,
  },
  'the end of the script': { text: '', code: 0 },
  'the end of the script, unreferenced': { text: 'stream.unref()', code: 0 },
}

for (const [name, { text, code, stderr }] of Object.entries(endings)) {
  for (const pending of [false, true]) {
    test(`${name}${pending ? ', with a read pending,' : ''} flushes what was sent`, async (t) => {
      const { path, received } = await collector(t)
      const ended = await runScript(`${connect}${sendAll};${pending ? pend : ''};${text}`, { args: [path] })
      t.is(ended.signal, null)
      t.is(ended.code, code, ended.stderr)
      if (stderr === undefined) t.is(ended.stderr, '')
      else t.regex(ended.stderr, stderr)
      const messages = [...lengthPrefixed(await received)].map(String)
      t.deepEqual(messages, Array.from({ length: MESSAGES }, (_, index) => `message ${index}`))
    })
  }
}

test('process.exit() with every kind of operation pending has its own exit code', async (t) => {
  const ended = await runScript(`
    import { UnixListener, UnixStream } from 'nearwire'
    const listener = await UnixListener.listen('\\0nearwire-exit-' + process.pid)
    listener.accept().catch(() => {})
    const [left, right] = UnixStream.pair()
    left.read(new Uint8Array(1)).catch(() => {})
    right.write(new Uint8Array(8 * 1024 * 1024)).catch(() => {})
    for (let pair = 0; pair < 100; pair++) {
      const [one, other] = UnixStream.pair()
      one.framed()[Symbol.asyncIterator]().next().catch(() => {})
      other.framed().send('to nobody')
    }
    setImmediate(() => process.exit(42))
  `)
  t.deepEqual({ code: ended.code, signal: ended.signal, stderr: ended.stderr }, { code: 42, signal: null, stderr: '' })
})

test('process.exit() inside a listener that readiness called', async (t) => {
  const ended = await runScript(`
    import { UnixStream } from 'nearwire'
    const [left, right] = UnixStream.pair()
    left.toDuplex().on('data', () => process.exit(42))
    setImmediate(() => right.write('now'))
  `)
  t.deepEqual({ code: ended.code, signal: ended.signal, stderr: ended.stderr }, { code: 42, signal: null, stderr: '' })
})

// The loop does not turn in any of these, so nothing leaves before they are over; then all of it must.
const busy = {
  'synchronous code': 'const end = performance.now() + 50; while (performance.now() < end);',
  'Atomics.wait()': 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)',
  'a synchronous child process': `(await import('node:child_process')).execFileSync('true')`,
  '100,000 awaits of settled promises': 'for (let index = 0; index < 100_000; index++) await undefined',
  'a chain of 10,000 nextTicks': `
    await new Promise((resolve) => {
      let left = 10_000
      process.nextTick(function again() { if (--left > 0) process.nextTick(again); else resolve() })
    })`,
}

for (const [name, text] of Object.entries(busy)) {
  test(`what was sent before, during and after ${name} arrives in order`, async (t) => {
    const { path, received } = await collector(t)
    const ended = await runScript(`${connect}
      const framed = stream.framed()
      framed.send('before');
      ${text}
      framed.send('after')
    `, { args: [path] })
    t.is(ended.code, 0, ended.stderr)
    t.deepEqual([...lengthPrefixed(await received)].map(String), ['before', 'after'])
  })
}

test('more than the buffer leaves at once, however long the synchronous code goes on', async (t) => {
  const { path, received } = await collector(t)
  // More than the 64 KiB of the buffer, and then no turn of the loop ever again.
  const ended = await runScript(`${connect}
    const framed = stream.framed()
    for (let index = 0; index < 1000; index++) framed.send('x'.repeat(100))
    process.kill(process.pid, 'SIGKILL')
    for (;;);
  `, { args: [path] })
  t.is(ended.signal, 'SIGKILL')
  t.true((await received).length >= 32 * 1024)
})

test('a script that ends goes on until a slow peer has taken everything', async (t) => {
  const { path, received } = await collector(t)
  const size = 4 * 1024 * 1024
  const ended = runScript(`${connect}
    stream.framed().send(new Uint8Array(${size}).fill(7))
  `, { args: [path] })
  const bytes = await received
  t.is(bytes.length, size + 4)
  t.true(bytes.subarray(4).every((byte) => byte === 7))
  t.is((await ended).code, 0)
})

test('a worker that ends, or ends itself, flushes what was sent', async (t) => {
  for (const text of ['', 'process.exit(0)', 'throw new Error("part of the test")']) {
    const { path, received } = await collector(t)
    const inside = `
      import { workerData } from 'node:worker_threads'
      import { UnixStream } from 'nearwire'
      const framed = (await UnixStream.connect(workerData)).framed()
      for (let index = 0; index < 100; index++) framed.send('message ' + index)
      ${text}`
    const ended = await runScript(`
      import { Worker } from 'node:worker_threads'
      new Worker(${JSON.stringify(inside)}, { eval: true, workerData: process.argv[1] }).on('error', () => {})
    `, { args: [path] })
    t.is(ended.code, 0, ended.stderr)
    t.is([...lengthPrefixed(await received)].length, 100, text)
  }
})
