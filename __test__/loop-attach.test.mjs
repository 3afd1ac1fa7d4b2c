// A loop that cannot be attached, for want of descriptors, leaves nothing behind and lets the process go on.
import test from 'ava'

import { runScript } from './helpers/loop.mjs'

for (const watcher of [false, true]) {
  const how = watcher ? 'with the watcher' : 'in libuv'
  test(`attaching ${how} fails step by step with an error, and works when there is room`, async (t) => {
    const ended = await runScript(`
      import assert from 'node:assert/strict'
      import { closeSync, openSync } from 'node:fs'
      import { createRequire } from 'node:module'
      const { EventLoop, UnixSocket, calls } = createRequire(process.cwd() + '/package.json')('./native.cjs')
      const { loopHold, loopRelease, unixRead, unixWrite } = calls()
      const taken = []
      const tokens = new Uint32Array(16)
      let called = 0
      const attach = () => new EventLoop(() => { called++ }, tokens, ${watcher})
      // Once, so that what the process opens for good is open.
      attach()
      await new Promise((resolve) => { setImmediate(resolve) })
      try { for (;;) taken.push(openSync('/dev/null')) } catch (error) { assert.equal(error.code, 'EMFILE') }
      // Gives one descriptor back at a time until it is enough.
      const failures = []
      let loop
      while (loop === undefined) {
        try {
          loop = attach()
        } catch (error) {
          failures.push(error.message)
          // Every descriptor of the attempt is free again: exactly as many as before can be opened.
          const room = []
          try { for (;;) room.push(openSync('/dev/null')) } catch (error) { assert.equal(error.code, 'EMFILE') }
          assert.equal(room.length, failures.length - 1)
          room.forEach(closeSync)
          closeSync(taken.pop())
        }
        assert(failures.length < 30, failures.at(-1))
      }
      taken.forEach(closeSync)
      assert(failures.length >= 5)
      assert(failures.every((message) => /os error 24|Too many open files/.test(message)), failures.join())
      // The one that was attached works: a socket on it is told that it may read.
      const [left, right] = UnixSocket.pair(loop, 1, 0, 1)
      loopHold(loop.number)
      assert.equal(unixRead(left.number, new Uint8Array(8), 0, 8), -11)
      assert.equal(unixWrite(right.number, Buffer.from('hello'), 0, 5), 5)
      for (let rounds = 0; called === 0 && rounds < 1e6; rounds++) await new Promise((resolve) => { setImmediate(resolve) })
      assert.equal(called, 1)
      assert.equal(unixRead(left.number, new Uint8Array(8), 0, 8), 5)
      loopRelease(loop.number)
      console.log(failures.length)
    `, { shell: 'ulimit -n 256' })
    t.is(ended.code, 0, ended.stderr)
    t.log(`${ended.stdout.trim()} steps`)
  })
}

test('what is no token array is refused', async (t) => {
  const ended = await runScript(`
    import assert from 'node:assert/strict'
    import { createRequire } from 'node:module'
    const { EventLoop } = createRequire(process.cwd() + '/package.json')('./native.cjs')
    for (const tokens of [undefined, [], new Uint32Array(0), new Int32Array(4), new Uint8Array(4), new ArrayBuffer(8)]) {
      assert.throws(() => new EventLoop(() => {}, tokens, false))
    }
    console.log('done')
  `)
  t.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: 'done\n' }, ended.stderr)
})

test('many loops in one environment live side by side and end with it', async (t) => {
  const ended = await runScript(`
    import { createRequire } from 'node:module'
    const { EventLoop, UnixSocket, calls } = createRequire(process.cwd() + '/package.json')('./native.cjs')
    const { loopHold, loopRelease, unixRead, unixWrite } = calls()
    const got = []
    const loops = Array.from({ length: 50 }, (_, index) => {
      const tokens = new Uint32Array(16)
      const loop = new EventLoop((count) => { for (let at = 0; at < count; at++) got.push([index, tokens[at]]) }, tokens, index % 2 === 1)
      const [left, right] = UnixSocket.pair(loop, 1, 0, 1)
      loopHold(loop.number)
      unixRead(left.number, new Uint8Array(8), 0, 8)
      return { loop, left, right }
    })
    for (const { right } of loops) unixWrite(right.number, Buffer.from('x'), 0, 1)
    while (got.length < loops.length) await new Promise((resolve) => { setImmediate(resolve) })
    for (const { loop } of loops) loopRelease(loop.number)
    const seen = got.filter(([, token]) => token === 0).map(([index]) => index).sort((a, b) => a - b)
    console.log(seen.every((index, at) => index === at) && seen.length === 50)
  `)
  t.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: 'true\n' }, ended.stderr)
})
