// Bad arguments: a TypeError or RangeError that names the argument, thrown before any system call.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { delimiter, lengthPrefix, UnixListener, UnixStream } from 'nearwire'
import { abstractName, pair, place, ran } from './helpers/sockets.mjs'

const TYPE = 'ERR_INVALID_ARG_TYPE'
const VALUE = 'ERR_INVALID_ARG_VALUE'
const RANGE = 'ERR_OUT_OF_RANGE'

/** Each with the error's code and what its message names. */
export const cases = {
  address: [
    [undefined, TYPE, 'address'], [null, TYPE, 'address'], [7, TYPE, 'address'], [true, TYPE, 'address'],
    [{}, TYPE, 'address'], [[], TYPE, 'address'], [{ unnamed: true }, TYPE, 'address'], [Symbol('s'), TYPE, 'address'],
    ['', VALUE, 'address'], ['a\0b', VALUE, 'address'], ['\0', VALUE, 'address'],
    [`\0${'x'.repeat(108)}`, VALUE, 'address'],
    [{ path: '' }, VALUE, 'address.path'], [{ path: 7 }, TYPE, 'address.path'], [{ path: 'a\0' }, VALUE, 'address.path'],
    [{ path: Buffer.of(97, 0) }, VALUE, 'address.path'], [{ path: new Uint16Array(4) }, TYPE, 'address.path'],
    [{ abstract: '' }, VALUE, 'address.abstract'], [{ abstract: Buffer.alloc(108) }, VALUE, 'address.abstract'],
    [{ abstract: 7 }, TYPE, 'address.abstract'], [{ abstract: null }, TYPE, 'address.abstract'],
  ],
  connect: [
    [null, TYPE, 'options'], [7, TYPE, 'options'], ['timeout', TYPE, 'options'], [[], TYPE, 'options'],
    [{ timeout: '7' }, TYPE, 'options.timeout'], [{ timeout: -1 }, RANGE, 'options.timeout'],
    [{ timeout: 1.5 }, RANGE, 'options.timeout'], [{ timeout: Number.NaN }, RANGE, 'options.timeout'],
    [{ timeout: 2 ** 31 }, RANGE, 'options.timeout'], [{ timeout: null }, TYPE, 'options.timeout'], [{ timeout: Infinity }, RANGE, 'options.timeout'],
    [{ signal: {} }, TYPE, 'options.signal'], [{ signal: null }, TYPE, 'options.signal'],
    [{ busyPoll: -1 }, RANGE, 'options.busyPoll'], [{ busyPoll: '1' }, TYPE, 'options.busyPoll'],
    [{ busyPoll: 1_000_001 }, RANGE, 'options.busyPoll'], [{ busyPoll: null }, TYPE, 'options.busyPoll'],
    [{ bind: 7 }, TYPE, 'options.bind'], [{ bind: '' }, VALUE, 'options.bind'], [{ bind: null }, TYPE, 'options.bind'],
  ],
  listen: [
    [null, TYPE, 'options'], [7, TYPE, 'options'],
    [{ backlog: -1 }, RANGE, 'options.backlog'], [{ backlog: '5' }, TYPE, 'options.backlog'],
    [{ backlog: null }, TYPE, 'options.backlog'], [{ backlog: 2 ** 31 }, RANGE, 'options.backlog'], [{ backlog: 1.5 }, RANGE, 'options.backlog'],
    [{ mode: null }, TYPE, 'options.mode'], [{ mode: '0600' }, TYPE, 'options.mode'], [{ mode: -1 }, RANGE, 'options.mode'], [{ mode: 0o1000 }, RANGE, 'options.mode'],
    [{ takeover: null }, VALUE, 'options.takeover'], [{ takeover: 'always' }, VALUE, 'options.takeover'], [{ takeover: 1 }, VALUE, 'options.takeover'],
    [{ unlinkOnClose: 1 }, TYPE, 'options.unlinkOnClose'], [{ unlinkOnClose: null }, TYPE, 'options.unlinkOnClose'], [{ signal: 'now' }, TYPE, 'options.signal'],
  ],
  fromFd: [
    ['3', TYPE, 'fd'], [undefined, TYPE, 'fd'], [-1, RANGE, 'fd'], [1.5, RANGE, 'fd'], [2 ** 31, RANGE, 'fd'], [Number.NaN, RANGE, 'fd'],
  ],
}

/** The error as it should be. */
function isRefusal(t, error, code, name) {
  t.is(error?.code, code, `${name}: ${error?.stack}`)
  t.true(error instanceof (code === RANGE ? RangeError : TypeError))
  t.true(error.message.startsWith(`${name} must be `), error.message)
  t.regex(error.message, / not ./)
}

async function caught(run) {
  try {
    await run()
    return undefined
  } catch (error) {
    return error
  }
}

test('addresses', async (t) => {
  for (const [address, code, name] of cases.address) {
    isRefusal(t, await caught(() => UnixStream.connect(address)), code, name)
    isRefusal(t, await caught(() => UnixListener.listen(address)), code, name)
  }
})

test('connect options', async (t) => {
  for (const [options, code, name] of cases.connect) {
    isRefusal(t, await caught(() => UnixStream.connect('/nowhere', options)), code, name)
  }
})

test('listen options leave no file behind', async (t) => {
  const path = place(t)
  for (const [options, code, name] of cases.listen) {
    isRefusal(t, await caught(() => UnixListener.listen(path, options)), code, name)
  }
  await t.throwsAsync(UnixStream.connect(path), { code: 'ENOENT' })
})

test('descriptors', async (t) => {
  for (const [fd, code, name] of cases.fromFd) {
    isRefusal(t, await caught(() => UnixStream.fromFd(fd)), code, name)
    isRefusal(t, await caught(() => UnixListener.fromFd(fd)), code, name)
  }
})

test('reading and writing', async (t) => {
  const [left] = pair(t)
  for (const [run, code, name] of [
    [() => left.read(), TYPE, 'into'], [() => left.read('x'), TYPE, 'into'], [() => left.read([]), TYPE, 'into'],
    [() => left.read(new ArrayBuffer(4)), TYPE, 'into'], [() => left.read(new Uint8Array(0)), VALUE, 'into'],
    [() => left.read(new Uint8Array(1), { signal: 7 }), TYPE, 'options.signal'],
    [() => left.write(), TYPE, 'data'], [() => left.write(7), TYPE, 'data'], [() => left.write(null), TYPE, 'data'],
    [() => left.write(new Uint16Array(2)), TYPE, 'data'], [() => left.write('x', { signal: {} }), TYPE, 'options.signal'],
    [() => left.shutdown('reading'), VALUE, 'how'], [() => left.shutdown(1), VALUE, 'how'],
  ]) isRefusal(t, await caught(run), code, name)
})

test('framing', async (t) => {
  const [left] = pair(t)
  for (const [run, code, name] of [
    [() => lengthPrefix({ bytes: 3 }), VALUE, 'options.bytes'], [() => lengthPrefix({ bytes: '4' }), VALUE, 'options.bytes'],
    [() => lengthPrefix({ endian: 'middle' }), VALUE, 'options.endian'], [() => lengthPrefix(null), TYPE, 'options'],
    [() => delimiter(''), VALUE, 'bytes'], [() => delimiter(), TYPE, 'bytes'], [() => delimiter(10), TYPE, 'bytes'],
    [() => delimiter(new Uint8Array(0)), VALUE, 'bytes'],
    [() => left.framed(null), TYPE, 'options'], [() => left.framed({ framing: 'lines' }), TYPE, 'options.framing'],
    [() => left.framed({ framing: null }), TYPE, 'options.framing'], [() => left.framed({ framing: {} }), TYPE, 'options.framing'],
    [() => left.framed({ maxLength: 0 }), RANGE, 'options.maxLength'], [() => left.framed({ maxLength: '1' }), TYPE, 'options.maxLength'],
    [() => left.framed({ maxLength: 256, framing: lengthPrefix({ bytes: 1 }) }), RANGE, 'options.maxLength'],
    [() => left.framed({ maxLength: 2 ** 31 }), RANGE, 'options.maxLength'],
    [() => left.framed({ codec: {} }), TYPE, 'options.codec'], [() => left.framed({ codec: null }), TYPE, 'options.codec'],
    [() => left.framed({ codec: { encode() {} } }), TYPE, 'options.codec'],
  ]) isRefusal(t, await caught(run), code, name)
  // None of these locked the stream.
  const framed = left.framed()
  for (const message of [undefined, null, 7, {}, [], new Uint16Array(2)]) {
    isRefusal(t, await caught(() => framed.send(message)), TYPE, 'message')
  }
})

test('a default maxLength fits every prefix', (t) => {
  for (const bytes of [1, 2, 4, 8, 'varint']) {
    const [left] = pair(t)
    t.notThrows(() => left.framed({ framing: lengthPrefix({ bytes }) }))
  }
})

test('whatever is not an address is refused, never guessed at', async (t) => {
  await fc.assert(fc.asyncProperty(fc.anything(), async (value) => {
    if (typeof value === 'string') return
    const error = await caught(() => UnixStream.connect(value))
    t.true(typeof error?.code === 'string', String(error?.stack))
  }))
})

test('whatever is an address is accepted: every abstract name leads where it says', async (t) => {
  const prefix = Buffer.from(abstractName())
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 107 - prefix.length }), async (tail) => {
    const abstract = Buffer.concat([prefix, tail])
    const listener = await UnixListener.listen({ abstract })
    t.deepEqual(listener.address, { abstract })
    const client = await UnixStream.connect(abstract.includes(0x80) ? { abstract } : { abstract: new Uint8Array(abstract) })
    t.deepEqual(client.remoteAddress, { abstract })
    const server = await listener.accept()
    t.deepEqual(server.localAddress, { abstract })
    await Promise.all([listener, client, server].map((handle) => handle.close()))
  }))
})

const strace = spawnSync('strace', ['-V']).status === 0

if (strace) {
  test('no system call is made before arguments are checked', async (t) => {
    const { code, stdout, stderr } = await ran(t, `
      import { UnixListener, UnixStream } from 'nearwire'
      let refused = 0
      const run = async (make) => { try { await make() } catch (error) { if (error.code.startsWith('ERR_')) refused++ } }
      await run(() => UnixStream.connect('/nowhere', { timeout: -1 }))
      await run(() => UnixStream.connect('/nowhere', { bind: '' }))
      await run(() => UnixStream.connect('/nowhere', { signal: 7 }))
      await run(() => UnixListener.listen('/nowhere/socket', { mode: -1 }))
      await run(() => UnixListener.listen('/nowhere/socket', { unlinkOnClose: 1 }))
      await run(() => UnixListener.listen('/nowhere/socket', { signal: 7 }))
      await run(() => UnixStream.fromFd(-1))
      console.log(refused)
    `, { command: ['strace', '-f', '-qq', '-e', 'trace=socket,socketpair,bind,connect,listen,flock'] })
    t.is(code, 0)
    t.is(stdout, '7\n')
    t.notRegex(stderr, /socket\(|bind\(|connect\(|listen\(|flock\(/)
  })
} else {
  test.skip('no system call is made before arguments are checked (no strace here)', () => {})
}
