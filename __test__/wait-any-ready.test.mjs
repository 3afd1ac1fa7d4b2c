// Waiting on many: our handles and anybody's descriptors, one or ten thousand, without threads.
import test from 'ava'
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import {
  closeDescriptor, DescriptorFile, SocketError, UnixDatagram, UnixSeqpacket, UnixStream, waitAny, WaitSet,
} from 'nearwire'
import { clog, closing, isSettled, listening, opened, pair, place, ran } from './helpers/sockets.mjs'
import { hasPython } from './helpers/peers.mjs'

const targets = (ready) => ready.map(({ target }) => target)

function pipe(t) {
  const path = place(t, 'pipe')
  execFileSync('mkfifo', [path])
  const both = openSync(path, 'r+')
  const ends = [openSync(path, 'r'), openSync(path, 'w')]
  closeSync(both)
  return ends
}

test('what is ready at once is answered at once, in the order asked', async (t) => {
  const [left, right] = pair(t)
  const [one, other] = pair(t)
  await right.write('x')
  const ready = await waitAny([{ target: one }, { target: other, writable: true }, { target: left, readable: true, writable: true }])
  t.deepEqual(ready, [
    { target: other, readable: false, writable: true, hungUp: false, error: false, closed: false },
    { target: left, readable: true, writable: true, hungUp: false, error: false, closed: false },
  ])
})

test('the first that becomes ready ends the wait: every kind of handle', async (t) => {
  const listener = await listening(t)
  const [datagram, sender] = UnixDatagram.pair().map((socket) => closing(t, socket))
  const [seqpacket, packets] = UnixSeqpacket.pair().map((socket) => closing(t, socket))
  const [stream, peer] = pair(t)
  const entries = [listener, datagram, seqpacket, stream].map((target) => ({ target }))
  for (const [expected, act] of [
    [listener, async () => closing(t, await UnixStream.connect(listener.address))],
    [datagram, () => sender.send('')],
    [seqpacket, () => packets.send('')],
    [stream, () => peer.write('x')],
  ]) {
    const waiting = waitAny(entries)
    t.false(await isSettled(waiting))
    await act()
    t.deepEqual(targets(await waiting), [expected])
    if (expected === listener) closing(t, await listener.accept())
    else if (expected === stream) await stream.read(Buffer.alloc(1))
    else await expected.receive()
  }
})

test('descriptors of others: both ends of a pipe, and a set in a set', async (t) => {
  const [reading, writing] = pipe(t)
  t.teardown(() => [reading, writing].forEach((fd) => closeSync(fd)))
  t.deepEqual(targets(await waitAny([{ target: reading }, { target: writing, writable: true }])), [writing])
  const waiting = waitAny([{ target: reading }])
  writeSync(writing, 'x')
  t.deepEqual(targets(await waiting), [reading])
  readSync(reading, Buffer.alloc(1))
  const set = closing(t, new WaitSet())
  set.add(reading)
  const nested = waitAny([{ target: set }])
  writeSync(writing, 'y')
  t.deepEqual(targets(await nested), [set])
})

test('room to write is waited for', async (t) => {
  const [left, right] = pair(t)
  const writing = clog(left, 1_000_000)
  const waiting = waitAny([{ target: left, writable: true }])
  t.false(await isSettled(waiting))
  let count = 0
  while (count < 1_000_000) count += await right.read(Buffer.alloc(65_536))
  await writing
  t.deepEqual(targets(await waiting), [left])
})

test('the end of the other side', async (t) => {
  const [left, right] = pair(t)
  const waiting = waitAny([{ target: left }])
  right.shutdown('write')
  const [half] = await waiting
  t.true(half.readable && half.hungUp && !half.closed)
  await right.close()
  const [full] = await waitAny([{ target: left, writable: true }])
  t.true(full.writable && full.hungUp)
})

test('time: none is ready within it, and 0 only looks', async (t) => {
  const [left, right] = pair(t)
  const began = performance.now()
  t.deepEqual(await waitAny([{ target: left }], { timeout: 30 }), [])
  t.true(performance.now() - began >= 29)
  t.deepEqual(await waitAny([{ target: left }], { timeout: 0 }), [])
  await right.write('x')
  t.is((await waitAny([{ target: left }], { timeout: 0 })).length, 1)
  t.deepEqual(await waitAny([], { timeout: 1 }), [], 'nothing at all: a timer, as with select(2)')
})

test('a signal', async (t) => {
  const [left] = pair(t)
  const reason = new Error('changed my mind')
  t.is(await t.throwsAsync(waitAny([{ target: left }], { signal: AbortSignal.abort(reason) })), reason)
  const controller = new AbortController()
  const waiting = waitAny([{ target: left }], { signal: controller.signal, timeout: 60_000 })
  t.false(await isSettled(waiting))
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
})

test('ready stays ready until somebody deals with it', async (t) => {
  const [left, right] = pair(t)
  const set = closing(t, new WaitSet().add(left))
  await right.write('ab')
  for (let round = 0; round < 3; round++) t.deepEqual(targets(await set.wait()), [left])
  await left.read(Buffer.alloc(1))
  t.deepEqual(targets(await set.wait()), [left])
  await left.read(Buffer.alloc(1))
  t.deepEqual(await set.wait({ timeout: 0 }), [])
})

test('several waits on one set all learn of it', async (t) => {
  const [left, right] = pair(t)
  const set = closing(t, new WaitSet().add(left))
  const controller = new AbortController()
  const waits = [set.wait(), set.wait({ timeout: 60_000 }), set.wait({ signal: controller.signal })]
  controller.abort()
  t.is((await waits[2].catch((error) => error)).name, 'AbortError')
  await right.write('x')
  for (const ready of await Promise.all(waits.slice(0, 2))) t.deepEqual(targets(ready), [left])
})

test('add, change, delete, has, size', async (t) => {
  const [left, right] = pair(t)
  const set = closing(t, new WaitSet())
  t.is(set.add(left, { writable: true }), set)
  t.is(set.size, 1)
  t.true(set.has(left))
  t.deepEqual((await set.wait()).map(({ readable, writable }) => [readable, writable]), [[false, true]])
  set.change(left, { readable: true })
  t.deepEqual(await set.wait({ timeout: 0 }), [])
  await right.write('x')
  t.is((await set.wait()).length, 1)
  t.true(set.delete(left))
  t.false(set.delete(left))
  t.false(set.has(left))
  t.deepEqual(await set.wait({ timeout: 0 }), [])
  t.throws(() => set.change(left, {}), { code: 'ENOENT' })
  set.add(left).add(right)
  t.throws(() => set.add(left), { instanceOf: SocketError, code: 'EEXIST' })
  t.throws(() => set.add(right.fd), { code: 'EEXIST', message: /already/ })
})

test('one added while the set is waited on counts', async (t) => {
  const [left, right] = pair(t)
  const set = closing(t, new WaitSet())
  const waiting = set.wait()
  await right.write('x')
  set.add(left)
  t.deepEqual(targets(await waiting), [left])
})

test('what is closed or detached while it is waited on is reported, and has left', async (t) => {
  const stream = () => UnixStream.pair()[0]
  const path = place(t, 'pipe')
  execFileSync('mkfifo', [path])
  for (const make of [stream, () => stream().framed(), async () => DescriptorFile.fromFd(await opened(t, path, 'r+'))]) {
    for (const end of ['close', 'detach']) {
      const target = await make()
      const [other] = pair(t)
      const set = closing(t, new WaitSet().add(target).add(other))
      const waiting = set.wait()
      t.false(await isSettled(waiting))
      const done = await target[end]()
      t.deepEqual(await waiting, [{ target, readable: false, writable: false, hungUp: false, error: false, closed: true }])
      t.is(set.size, 1)
      t.false(set.delete(target))
      t.deepEqual(await set.wait({ timeout: 0 }), [])
      if (end === 'detach') closeDescriptor(done)
      t.throws(() => set.add(target), { code: 'ERR_SOCKET_CLOSED' })
    }
  }
})

test('a descriptor that was closed while another process has the file does not haunt the set', async (t) => {
  const [left, right] = pair(t)
  const [other, peer] = pair(t)
  const set = closing(t, new WaitSet().add(left).add(other))
  const child = spawn('sleep', ['60'], { stdio: [left.fd, 'ignore', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  await left.close()
  t.is((await set.wait()).length, 1)
  // What the child has of it is readable from now on, and the kernel says so.
  await right.write('for whom?')
  const before = process.cpuUsage()
  t.deepEqual(await set.wait({ timeout: 200 }), [])
  const { user, system } = process.cpuUsage(before)
  t.true(user + system < 150_000, `${user + system} microseconds spent`)
  await peer.write('x')
  t.deepEqual(targets(await set.wait()), [other])
})

test('a number that has come to mean another takes nothing from who has it now', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { openSync } from 'node:fs'
    import { closeDescriptor, DescriptorFile, UnixStream, WaitSet } from 'nearwire'
    for (const make of [
      () => UnixStream.pair()[0].detach(),
      () => UnixStream.pair()[0].framed(),
      () => DescriptorFile.fromFd(openSync('/dev/null')),
    ]) {
      const set = new WaitSet()
      const first = make()
      const number = first.fd ?? first
      set.add(first)
      if (first === number) closeDescriptor(first)
      else await first.close()
      const [left, right] = UnixStream.pair()
      const heir = [left, right].find(({ fd }) => fd === number)
      set.add(heir)
      const found = [set.delete(first), set.size]
      const [before] = await set.wait()
      await (heir === left ? right : left).write('x')
      const [after] = await set.wait()
      console.log(...found, before.target === first, before.closed, after.target === heir, after.readable)
      heir.destroy()
      const again = DescriptorFile.fromFd(openSync('/dev/null'))
      console.log(again.fd === number, set.add(again).size)
    }
  `)
  t.is(code, 0, stderr)
  t.is(stdout, 'false 1 true true true true\ntrue 1\n'.repeat(3))
})

test('a number that was closed and forgotten in the set', async (t) => {
  const { stdout, stderr, code } = await ran(t, `
    import { closeDescriptor, UnixStream, WaitSet } from 'nearwire'
    const set = new WaitSet()
    const fd = UnixStream.pair()[0].detach()
    set.add(fd)
    closeDescriptor(fd)
    const found = [(await set.wait({ timeout: 0 })).length, set.delete(fd), set.size]
    try { set.add(fd) } catch (error) { found.push(error.code, set.size) }
    console.log(...found)
  `)
  t.is(code, 0, stderr)
  t.is(stdout, '0 true 0 EBADF 0\n')
})

test('ordinary files and folders are refused with the reason', async (t) => {
  for (const [path, what] of [['/proc/self/exe', /ordinary file is always ready/], ['/', /folder is always ready/]]) {
    const fd = openSync(path, 'r')
    t.teardown(() => closeSync(fd))
    await t.throwsAsync(waitAny([{ target: fd }]), { instanceOf: SocketError, code: 'EPERM', message: what })
    t.throws(() => new WaitSet().add(fd), { code: 'EPERM' })
  }
})

test('bad arguments', async (t) => {
  const [left] = pair(t)
  for (const [entries, expected] of [
    [[{ target: 'x' }], { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: /target/ }],
    [[{ target: -1 }], { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }],
    [[{ target: {} }], { code: 'ERR_INVALID_ARG_TYPE' }],
    [[null], { code: 'ERR_INVALID_ARG_TYPE', message: /entries\[0\]/ }],
    [[{ target: left, readable: 1 }], { code: 'ERR_INVALID_ARG_TYPE', message: /readable/ }],
    [[{ target: left, readable: false }], { code: 'ERR_INVALID_ARG_VALUE' }],
    [[{ target: 1_000_000 }], { instanceOf: SocketError, code: 'EBADF' }],
    [[{ target: left }, { target: left, writable: true }], { code: 'EEXIST' }],
  ]) await t.throwsAsync(waitAny(entries), expected)
  await t.throwsAsync(waitAny([{ target: left }], { timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(waitAny([{ target: left }], { signal: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('closing the set settles its waits and none of its members', async (t) => {
  const [left, right] = pair(t)
  const set = new WaitSet().add(left)
  const waiting = set.wait()
  await set.close()
  await t.throwsAsync(waiting, { code: 'ERR_SOCKET_CLOSED', message: /wait set is closed/ })
  await t.throwsAsync(set.wait(), { code: 'ERR_SOCKET_CLOSED' })
  t.throws(() => set.add(right), { code: 'ERR_SOCKET_CLOSED' })
  await right.write('x')
  t.is(await left.read(Buffer.alloc(1)), 1)
})

test('a wait keeps the process alive, an unreferenced set does not, and nothing is left open', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { readdirSync } from 'node:fs'
    import { UnixStream, waitAny, WaitSet } from 'nearwire'
    const [left, right] = UnixStream.pair()
    const count = () => readdirSync('/proc/self/fd').length
    await waitAny([{ target: left }], { timeout: 1 })
    const before = count()
    for (let round = 0; round < 100; round++) await waitAny([{ target: left }, { target: right }], { timeout: 0 })
    await waitAny([{ target: left }], { timeout: 20 })
    console.log(count() - before)
    new WaitSet().unref().add(left).wait().then(() => console.log('never'))
    new WaitSet().unref().add(left).wait({ timeout: 1e6 }).then(() => console.log('never'))
  `)
  t.is(code, 0, stderr)
  t.is(stdout, '0\n')
})

test('ten thousand descriptors, no thread more, no processor while nothing happens', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { readdirSync } from 'node:fs'
    import { UnixStream, waitAny, WaitSet } from 'nearwire'
    const pairs = Array.from({ length: 5000 }, () => UnixStream.pair())
    const all = pairs.flat()
    const threads = () => readdirSync('/proc/self/task').length
    const before = threads()
    const set = new WaitSet()
    for (const handle of all) set.add(handle)
    const idle = process.cpuUsage()
    const nothing = await set.wait({ timeout: 300 })
    const { user, system } = process.cpuUsage(idle)
    console.log(set.size, nothing.length, user + system < 150_000)
    for (const index of [0, 2500, 4999]) {
      const waiting = set.wait()
      await pairs[index][0].write('x')
      const ready = await waiting
      console.log(ready.length, ready[0].target === pairs[index][1])
      await pairs[index][1].read(Buffer.alloc(1))
    }
    await Promise.all(pairs.map(([left]) => left.write('x')))
    const every = await set.wait()
    console.log(every.length, new Set(every.map(({ target }) => target)).size)
    const once = await waitAny(all.map((target) => ({ target })))
    console.log(once.length, once.every(({ target }, index) => target === pairs[index][1]), threads() - before)
    for (const [left, right] of pairs) { left.close(); right.close() }
    await Promise.resolve()
    console.log(set.size)
  `, { command: ['sh', '-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh'] })
  if (/EMFILE/.test(stderr)) {
    t.log('skipped: this process may not open ten thousand descriptors (RLIMIT_NOFILE)')
    t.pass()
    return
  }
  t.is(code, 0, stderr)
  t.is(stdout, '10000 0 true\n1 true\n1 true\n1 true\n5000 5000\n5000 true 0\n0\n')
})

if (hasPython) {
  test('what Python selects on, we wait on: its pipe becomes readable when it writes', async (t) => {
    const [reading, writing] = pipe(t)
    const child = spawn('python3', ['-c', 'import os, sys; sys.stdin.read(1); os.write(3, b"x")'], { stdio: ['pipe', 'ignore', 'inherit', writing] })
    t.teardown(() => child.kill('SIGKILL'))
    closeSync(writing)
    const waiting = waitAny([{ target: reading }])
    t.false(await isSettled(waiting))
    child.stdin.write('!')
    t.deepEqual(targets(await waiting), [reading])
    closeSync(reading)
  })
}

test('waitAny() of a descriptor that was closed just now is EBADF, although its number is free for the wait itself', async (t) => {
  const fd = openSync('/dev/null')
  closeSync(fd)
  await t.throwsAsync(waitAny([{ target: fd }], { timeout: 1000 }), { code: 'EBADF' })
})
