// Framed messages at work: codecs, coalescing, back-pressure, batches, leaving a loop and coming back.
import test from 'ava'
import { readFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { delimiter, json, lengthPrefix, raw, structured, text } from 'nearwire'
import { runScript } from './helpers/loop.mjs'
import { collect, connection, isSettled, listening, pair, place, program, ran, readAll, readExactly, until } from './helpers/sockets.mjs'

test('codecs', async (t) => {
  const cyclic = { list: [1, 2], when: new Date(0), map: new Map([[1n, new Set(['x'])]]) }
  cyclic.self = cyclic
  const upper = { encode: (message) => message.toUpperCase(), decode: (bytes) => `<${bytes}>` }
  for (const [codec, sent, received = sent] of [
    [undefined, [Buffer.from('a'), 'b'], [Buffer.from('a'), Buffer.from('b')]],
    [raw(), [Uint8Array.of(1, 2), ''], [Buffer.of(1, 2), Buffer.alloc(0)]],
    [text(), ['', 'grüße', '\0']],
    [json(), [{ a: [1, null] }, 'text', 7, null, false, []]],
    [structured(), [cyclic, undefined, null, 10n]],
    [upper, ['ab', 'c'], ['<AB>', '<C>']],
  ]) {
    const [left, right] = pair(t)
    const options = codec === undefined ? undefined : { codec }
    const sender = left.framed(options)
    for (const message of sent) sender.send(message)
    await sender.close()
    t.deepEqual(await collect(right.framed(options)), received)
  }
})

test('both directions at once', async (t) => {
  const { client, server } = await connection(t)
  const count = 20_000
  const work = async (stream) => {
    const framed = stream.framed()
    const receiving = (async () => {
      let next = 0
      for await (const message of framed) {
        if (message.readUInt32BE() !== next++) throw new Error(`message ${message.readUInt32BE()} in place of ${next - 1}`)
        if (next === count) return next
      }
      return next
    })()
    for (let index = 0; index < count; index++) {
      const message = Buffer.alloc(64)
      message.writeUInt32BE(index)
      await framed.send(message)
    }
    await framed.flush()
    return receiving
  }
  t.deepEqual(await Promise.all([work(client), work(server)]), [count, count])
})

test('what is sent in one turn is coalesced: one read has it all, and it left before the loop waited', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  const room = Buffer.alloc(100_000)
  const reading = right.read(room)
  for (let index = 0; index < 1000; index++) t.is(sender.send('0123456789'), undefined)
  t.is(await reading, 14_000)
})

const strace = spawnSync('strace', ['-V']).status === 0
const traced = strace ? test : test.skip
traced(`ten thousand messages cost a few system calls${strace ? '' : ' (no strace here)'}`, async (t) => {
  const { code, stderr } = await ran(t, `
    import { UnixStream } from 'nearwire'
    const [left, right] = UnixStream.pair()
    const sender = left.framed()
    for (let index = 0; index < 10_000; index++) sender.send('0123456789')
    let count = 0
    for await (const message of right.framed()) if (++count === 10_000) break
  `, { command: ['strace', '-f', '-qq', '-e', 'trace=sendto,sendmsg,write,writev'] })
  t.is(code, 0)
  const calls = stderr.split('\n').filter((line) => /0123456789/.test(line))
  t.true(calls.length >= 2 && calls.length <= 20, `${calls.length} calls`)
})

test('send answers nothing while there is room, then a promise that resolves when the peer has read', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  t.is(sender.send('x'), undefined)
  await sender.flush()
  let sent = 1
  let pressure
  for (; pressure === undefined; sent++) pressure = sender.send(Buffer.alloc(1000))
  t.true(pressure instanceof Promise)
  t.false(await isSettled(pressure))
  const receiver = right.framed()[Symbol.asyncIterator]()
  for (let index = 0; index < sent; index++) await receiver.next()
  await pressure
  t.is(sender.send('again'), undefined)
  await sender.flush()
  t.is(String((await receiver.next()).value), 'again')
})

test('a sender that waits as it is told keeps its memory bounded', async (t) => {
  const listener = await listening(t)
  const child = program(t, `
    import { UnixStream } from 'nearwire'
    const framed = (await UnixStream.connect(process.argv.at(-1))).framed()
    const message = Buffer.alloc(10_000)
    const before = process.memoryUsage().rss
    let highest = before
    for (let index = 0; index < 50_000; index++) {
      const pressure = framed.send(message)
      if (pressure !== undefined) {
        await pressure
        highest = Math.max(highest, process.memoryUsage.rss())
      }
    }
    await framed.close()
    console.log(highest - before)
  `, { args: [listener.address.path] })
  let stdout = ''
  child.stdout.on('data', (data) => { stdout += data })
  const stream = await listener.accept()
  let count = 0
  for await (const batch of stream.framed().batches()) count += batch.length
  t.is(count, 50_000)
  await until(() => child.exitCode !== null && stdout !== '')
  t.true(Number(stdout) < 60e6, `${stdout} bytes for half a gigabyte sent`)
})

test('flush settles when the kernel has everything', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  await sender.flush()
  sender.send('a')
  await sender.flush()
  const data = Buffer.alloc(2 * 1024 * 1024)
  sender.send(data)
  sender.send('b')
  const flushing = sender.flush()
  t.false(await isSettled(flushing))
  await readExactly(right, data.length + 14)
  await flushing
})

test('messages and raw writes keep their order', async (t) => {
  const [left, right] = pair(t)
  const framed = left.framed({ framing: delimiter('\n') })
  framed.send('one')
  const writing = left.write('two\n')
  framed.send('three')
  framed.send('x'.repeat(50_000))
  framed.send('four')
  await writing
  await framed.close()
  t.deepEqual(String(await readAll(right)).split('\n'), ['one', 'two', 'three', 'x'.repeat(50_000), 'four', ''])
})

test('messages of every size around the limits of coalescing keep their order', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  const sizes = [0, 1, 4092, 4096, 16_380, 16_384, 16_385, 65_532, 65_536, 65_537, 3, 200_000, 0, 16_384, 16_384, 16_384, 16_384, 16_384, 7]
  const receiving = collect(right.framed())
  for (const [index, size] of sizes.entries()) sender.send(Buffer.alloc(size, index))
  await sender.close()
  const messages = await receiving
  t.deepEqual(messages.map(({ length }) => length), sizes)
  t.true(messages.every((message, index) => message.equals(Buffer.alloc(sizes[index], index))))
})

test('a small message may be changed after send, for it was copied', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  const message = Buffer.from('first')
  sender.send(message)
  message.write('other')
  await sender.close()
  t.deepEqual((await collect(right.framed())).map(String), ['first'])
})

test('batches: what came in together, by offset, by message, by iteration', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ codec: text() })
  for (const message of ['a', '', 'ccc']) sender.send(message)
  await sender.flush()
  const batches = right.framed({ codec: text() }).batches()
  const { value: batch } = await batches.next()
  t.is(batch.length, 3)
  t.deepEqual([0, 1, 2].map((index) => batch.at(index)), ['a', '', 'ccc'])
  t.deepEqual([...batch], ['a', '', 'ccc'])
  t.deepEqual([...batch], ['a', '', 'ccc'])
  t.is(String(batch.data.subarray(batch.start(2), batch.end(2))), 'ccc')
  const waiting = batches.next()
  t.false(await isSettled(waiting))
  sender.send('more')
  t.deepEqual([...(await waiting).value], ['more'])
  await sender.close()
  t.true((await batches.next()).done)
})

test('an index that a batch has not is a RangeError', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed()
  for (const message of ['x', 'y']) sender.send(message)
  const { value: batch } = await right.framed().batches().next()
  t.deepEqual([...batch].map(String), ['x', 'y'])
  for (const index of [2, -1, 0.5, Number.NaN]) {
    for (const ask of ['at', 'start', 'end']) {
      t.throws(() => batch[ask](index), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }, `${ask} ${index}`)
    }
  }
})

test('a loop that is left and begun again loses nothing, by message and by batch', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ codec: json() })
  for (let index = 0; index < 1000; index++) sender.send(index)
  await sender.close()
  const framed = right.framed({ codec: json() })
  const got = []
  for (let round = 0; got.length < 1000; round++) {
    if (round % 3 === 2) {
      for await (const batch of framed.batches()) {
        got.push(...batch)
        break
      }
    } else {
      let left_ = round % 5 + 1
      for await (const message of framed) {
        got.push(message)
        if (--left_ === 0) break
      }
    }
  }
  t.deepEqual(got, Array.from({ length: 1000 }, (_, index) => index))
  t.deepEqual(await collect(framed), [])
})

test('throwing out of a loop leaves the stream open too', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ codec: text() })
  sender.send('a')
  sender.send('b')
  const framed = right.framed({ codec: text() })
  await t.throwsAsync(async () => {
    for await (const message of framed) throw new Error(message)
  }, { message: 'a' })
  sender.close()
  t.deepEqual(await collect(framed), ['b'])
})

test('the iterator\'s contract: order, return, done', async (t) => {
  const [left, right] = pair(t)
  const sender = left.framed({ codec: text() })
  const framed = right.framed({ codec: text() })
  const iterator = framed[Symbol.asyncIterator]()
  const nexts = Array.from({ length: 5 }, () => iterator.next())
  for (const message of 'abcde') sender.send(message)
  t.deepEqual((await Promise.all(nexts)).map(({ value }) => value), [...'abcde'])
  const pending = [iterator.next(), iterator.next()]
  const others = framed[Symbol.asyncIterator]()
  const other = others.next()
  t.true((await iterator.return()).done)
  for (const one of await Promise.all(pending)) t.true(one.done)
  sender.send('f')
  t.is((await other).value, 'f')
  t.true((await iterator.next()).done)
  const last = [others.next(), others.next()]
  await sender.close()
  for (const one of await Promise.all(last)) t.true(one.done)
  t.true((await others.next()).done)
})

test('closing is an end for whoever iterates', async (t) => {
  const [, right] = pair(t)
  const framed = right.framed()
  const receiving = [collect(framed), collect(framed.batches())]
  t.false(await isSettled(receiving[0]))
  await framed.close()
  t.deepEqual(await Promise.all(receiving), [[], []])
  await framed.closed
})

test('the handle of a framed stream is that of the stream', async (t) => {
  const [left] = pair(t)
  const framed = left.framed({ framing: lengthPrefix({ bytes: 2 }) })
  t.is(framed.stream, left)
  t.is(framed.fd, left.fd)
  t.is(framed.ref(), framed)
  t.is(framed.unref(), framed)
  t.is(framed.closed, left.closed)
  t.is(framed.close(), left.close())
})

test('newlines from a program that knows nothing of frames', async (t) => {
  const path = place(t)
  const listener = await listening(t, path)
  const child = program(t, `
    import { connect } from 'node:net'
    import { readFileSync } from 'node:fs'
    connect(process.argv.at(-1)).end(readFileSync(process.argv.at(-2)))
  `, { args: [new URL(import.meta.url).pathname, path] })
  const framed = (await listener.accept()).framed({ framing: delimiter('\n'), codec: text() })
  const lines = await collect(framed)
  await framed.close()
  t.is(`${lines.join('\n')}\n`, readFileSync(new URL(import.meta.url), 'utf8'))
  await until(() => child.exitCode !== null)
})

test('what is received is a Buffer like any other, also where a runtime does not lend what it makes them with', async (t) => {
  const [left, right] = pair(t).map((stream) => stream.framed())
  left.send('hello')
  const { value } = await right[Symbol.asyncIterator]().next()
  t.is(Object.getPrototypeOf(value), Buffer.prototype)
  t.deepEqual(value, Buffer.from('hello'))
  const ended = await runScript(`
    Object.defineProperty(Buffer, Symbol.species, { value: undefined })
    const { UnixStream } = await import('nearwire')
    const [left, right] = UnixStream.pair().map((stream) => stream.framed())
    left.send('hello')
    for await (const message of right) {
      console.log(Buffer.isBuffer(message), message.toString())
      break
    }
    await Promise.all([left.close(), right.close()])
  `)
  t.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: 'true hello\n' }, ended.stderr)
})
