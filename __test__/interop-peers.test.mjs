// Independent programs, in both roles: C, Python, Node's own net, socat, curl.
import test from 'ava'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { delimiter, text, UnixListener, UnixStream } from 'nearwire'
import { abstractName, closing, collect, drop, listening, place, readAll, readExactly, until } from './helpers/sockets.mjs'
import { checksum, hasPython, pattern, peers, startPeer } from './helpers/peers.mjs'

async function echo(stream) {
  for await (const chunk of stream) await stream.write(chunk)
  await stream.close()
}

if (!hasPython) test.skip('the peer in Python (no python3 here)', () => {})

for (const peer of peers) {
  for (const kind of ['path', 'abstract']) {
    const address = (t) => {
      if (kind === 'path') {
        const path = place(t)
        return [path, path]
      }
      const name = abstractName()
      return [{ abstract: `${name}\0x` }, `@${name}%00x`]
    }

    test(`${peer}, ${kind}: their server echoes what we send`, async (t) => {
      const [ours, theirs] = address(t)
      await startPeer(t, peer, ['stream', 'server', theirs, 'echo'])
      const stream = closing(t, await UnixStream.connect(ours))
      const data = pattern(1_000_000)
      const writing = stream.write(data).then(() => stream.shutdown())
      t.true((await readAll(stream)).equals(data))
      await writing
    })

    test(`${peer}, ${kind}: our server echoes what they send`, async (t) => {
      const [ours, theirs] = address(t)
      const listener = await listening(t, ours)
      const client = startPeer(t, peer, ['stream', 'client', theirs, 'echo-check:1000000'])
      await echo(await listener.accept())
      const { intact, length } = await (await client).result('echo-check')
      t.true(intact)
      t.is(length, 1_000_000)
    })
  }

  test(`${peer}: frames, both ways, our client`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, peer, ['stream', 'server', path, 'receive-frames:1000', 'send-frames:1000x3000'])
    const framed = (await UnixStream.connect(path)).framed()
    closing(t, framed)
    for (let index = 0; index < 1000; index++) await framed.send(pattern(index, index))
    const messages = await collect(framed)
    t.like(await server.result('receive-frames'), { frames: 1000, intact: true })
    t.is(messages.length, 1000)
    t.true(messages.every((message, index) => message.equals(pattern(3000, index))))
  })

  test(`${peer}: frames, both ways, our server`, async (t) => {
    const listener = await listening(t)
    const starting = startPeer(t, peer, ['stream', 'client', listener.address.path, 'send-frames:500x70000', 'shutdown:write', 'receive-frames'])
    const framed = (await listener.accept()).framed()
    closing(t, framed)
    let index = 0
    for await (const message of framed) {
      if (!message.equals(pattern(70_000, index))) t.fail(`frame ${index}`)
      // Not awaited: the peer reads nothing before it has sent everything, and would wait for us while we wait for it.
      void framed.send(pattern(index % 200, index))
      index++
    }
    await framed.close()
    t.is(index, 500)
    t.like(await (await starting).result('receive-frames'), { frames: 500, intact: true })
  })

  test(`${peer}: half-close from either side`, async (t) => {
    const listener = await listening(t)
    const starting = startPeer(t, peer, ['stream', 'client', listener.address.path, 'send:question', 'shutdown:write', 'receive-all'])
    const stream = closing(t, await listener.accept())
    t.is(String(await readAll(stream)), 'question')
    await stream.write('answer')
    stream.shutdown()
    t.like(await (await starting).result('receive-all'), { data: 'answer', end: 'end' })
  })

  test(`${peer}: a reset, from either side`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, peer, ['stream', 'server', path, 'send:last words', 'wait-queued:1'])
    const stream = closing(t, await UnixStream.connect(path))
    await stream.write('x')
    t.is(String(await readExactly(stream, 10)), 'last words')
    await t.throwsAsync(stream.read(Buffer.alloc(1)), { code: 'ECONNRESET' })
    await server.exit

    const listener = await listening(t)
    const client = startPeer(t, peer, ['stream', 'client', listener.address.path, 'send:never read', 'receive-all'])
    const accepted = await listener.accept()
    await accepted.write('goodbye')
    await (await client).line()
    await accepted.close()
    t.like(await (await client).result('receive-all'), { data: 'goodbye', end: 'ECONNRESET' })
  })

  test(`${peer}: dies in the middle of a frame`, async (t) => {
    const listener = await listening(t)
    const starting = startPeer(t, peer, ['stream', 'client', listener.address.path, 'send-frames:2x10', 'send:%00%00%00%05ha', 'die'])
    const framed = (await listener.accept()).framed()
    const iterator = framed[Symbol.asyncIterator]()
    for (let index = 0; index < 2; index++) t.true((await iterator.next()).value.equals(pattern(10, index)))
    await t.throwsAsync(iterator.next(), { code: 'ERR_UNEXPECTED_END' })
    t.is((await (await starting).exit).signal, 'SIGKILL')
    await framed.close()
  })

  test(`${peer}: a gigabyte's worth of back-pressure in small: they read slowly, we wait`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, peer, ['stream', 'server', path, 'pause', 'receive-all'])
    const stream = closing(t, await UnixStream.connect(path))
    const data = pattern(20_000_000)
    const writing = stream.write(data)
    server.resume()
    await writing
    await stream.close()
    const result = await server.result('receive-all')
    t.is(result.length, data.length)
    t.is(result.checksum, checksum(data))
  })
}

test('node:net: its server echoes what we send', async (t) => {
  const path = place(t)
  const server = net.createServer((socket) => socket.pipe(socket)).listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const stream = closing(t, await UnixStream.connect(path))
  const data = pattern(2_000_000)
  const writing = stream.write(data)
  t.true((await readExactly(stream, data.length)).equals(data))
  await writing
  stream.shutdown()
  t.is(await stream.read(Buffer.alloc(1)), 0)
})

test('node:net: our server echoes what it sends', async (t) => {
  const listener = await listening(t)
  const socket = net.connect({ path: listener.address.path, allowHalfOpen: true })
  const serving = listener.accept().then(echo)
  const data = pattern(2_000_000)
  socket.end(data)
  t.true(Buffer.concat(await collect(socket)).equals(data))
  await serving
})

test('node:net: abstract names, the same on either side', async (t) => {
  // Of 107 bytes, for node:net fills shorter ones with NULs, at least up to Node 20.
  const name = `\0${abstractName().padEnd(107, 'x')}`
  const server = net.createServer((socket) => socket.end('from net')).listen(name)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const stream = closing(t, await UnixStream.connect(name))
  t.is(String(await readAll(stream)), 'from net')
  const ours = await listening(t, `\0${abstractName().padEnd(107, 'x')}`)
  const socket = net.connect(`\0${ours.address.abstract}`)
  const accepted = await ours.accept()
  await accepted.write('from us')
  await accepted.close()
  t.is(String(Buffer.concat(await collect(socket))), 'from us')
})

test('node:net: a reset and a broken pipe, as it names them', async (t) => {
  const listener = await listening(t)
  const socket = net.connect(listener.address.path)
  const stream = await listener.accept()
  socket.write('never read')
  await stream.write('x')
  await once(socket, 'data')
  await stream.close()
  const [error] = await once(socket, 'error')
  t.true(['ECONNRESET', 'EPIPE'].includes(error.code), error.code)
})

function tool(name, ...args) {
  return spawnSync(name, args).status === 0 ? test : (title, run) => test.skip(`${title} (no ${name} here)`, run)
}

const socat = tool('socat', '-V')

socat('socat: their server, our client', async (t) => {
  const path = place(t)
  const server = spawn('socat', [`UNIX-LISTEN:${path}`, 'EXEC:cat'], { stdio: 'ignore' })
  t.teardown(() => server.kill('SIGKILL'))
  let stream
  await until(async () => {
    stream = await UnixStream.connect(path).catch(() => undefined)
    return stream !== undefined
  })
  const framed = stream.framed({ framing: delimiter('\n'), codec: text() })
  closing(t, framed)
  framed.send('hello')
  framed.send('')
  framed.send('world')
  await framed.flush()
  const iterator = framed[Symbol.asyncIterator]()
  for (const line of ['hello', '', 'world']) t.is((await iterator.next()).value, line)
  stream.shutdown()
  t.true((await iterator.next()).done)
})

socat('socat: our server, their client, by path and by abstract name', async (t) => {
  const abstract = abstractName()
  for (const [address, target] of [[place(t)], [{ abstract }, `ABSTRACT-CONNECT:${abstract}`]]) {
    const listener = await listening(t, address)
    const client = spawn('socat', ['-t', '5', '-', target ?? `UNIX-CONNECT:${address}`], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => client.kill('SIGKILL'))
    const serving = listener.accept().then(echo)
    client.stdin.end('through socat')
    t.is(String(Buffer.concat(await collect(client.stdout))), 'through socat')
    await serving
  }
})

const curl = tool('curl', '--version')

for (const [how, make] of [['toDuplex()', (stream) => stream.toDuplex()], ['toNetSocket()', (stream) => stream.toNetSocket()]]) {
  curl(`curl --unix-socket, our listener under node:http by ${how}`, async (t) => {
    const server = http.createServer(async (request, response) => {
      const body = Buffer.concat(await collect(request))
      response.end(`${request.method} ${request.url} ${body.length}`)
    })
    const listener = await listening(t)
    void (async () => {
      for await (const stream of listener) server.emit('connection', make(stream))
    })()
    const run = async (...args) => {
      const child = spawn('curl', ['-sS', '--unix-socket', listener.address.path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
      t.teardown(() => child.kill('SIGKILL'))
      child.stdin.end(args.includes('@-') ? pattern(1_000_000) : '')
      return String(Buffer.concat(await collect(child.stdout)))
    }
    t.is(await run('http://nearwire/a'), 'GET /a 0')
    t.is(await run('--data-binary', '@-', '-H', 'Expect:', 'http://nearwire/b'), 'POST /b 1000000')
  })
}

test('a file that their server left behind is stale to us, and ours to them', async (t) => {
  const path = place(t)
  const peer = await startPeer(t, 'c', ['stream', 'server', path, 'die'], {})
  drop(await UnixStream.connect(path))
  await peer.exit
  t.true(existsSync(path))
  await t.throwsAsync(UnixStream.connect(path), { code: 'ECONNREFUSED' })
  const listener = await UnixListener.listen(path)
  await listener.close()
  t.false(existsSync(path))
})
