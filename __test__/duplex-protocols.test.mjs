// What people put on top of a duplex: http, http2, TLS, undici, a database driver.
import test from 'ava'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { callbackify } from 'node:util'
import { Client, Pool, request as undiciRequest } from 'undici'
import { Redis } from 'ioredis'
import { UnixStream } from 'nearwire'
import { collect, directory, drop, listening, place, until } from './helpers/sockets.mjs'
import { pattern } from './helpers/peers.mjs'

/** Hands every connection to a server of Node's. */
async function serve(t, serveOne, make = (stream) => stream.toDuplex()) {
  const listener = await listening(t)
  void (async () => {
    for await (const stream of listener) serveOne(make(stream))
  })()
  return listener.address
}

async function body(response) {
  return Buffer.concat(await collect(response))
}

/** Connects for whoever wants a callback. */
const connectTo = (address) => callbackify(async () => (await UnixStream.connect(address)).toDuplex())

/** One request through Node's http client over a socket of ours. */
async function get(address, options = {}, make = (stream) => stream.toDuplex()) {
  const stream = await UnixStream.connect(address)
  const request = http.request({ createConnection: () => make(stream), host: 'nearwire', ...options })
  request.end(options.body)
  const [response] = await once(request, 'response')
  const received = await body(response)
  await stream.closed
  return { status: response.statusCode, body: received, stream }
}

function answering() {
  return http.createServer(async (request, response) => {
    const received = await body(request)
    response.setHeader('content-type', 'application/octet-stream')
    response.end(request.url === '/large' ? pattern(5_000_000) : `${request.method} ${request.url} ${received.length}`)
  })
}

for (const [how, make] of [['toDuplex()', (stream) => stream.toDuplex()], ['toNetSocket()', (stream) => stream.toNetSocket()]]) {
  test(`node:http, server and client, over ${how}`, async (t) => {
    const server = answering()
    const address = await serve(t, (socket) => server.emit('connection', socket), make)
    const small = await get(address, { path: '/a' }, make)
    t.is(small.status, 200)
    t.is(String(small.body), 'GET /a 0')
    // A larger body over node:net ends in an empty write of Node's, which is EPIPE once the server has closed.
    const size = how === 'toDuplex()' ? 3_000_000 : 100_000
    const posted = await get(address, { path: '/b', method: 'POST', body: Buffer.alloc(size) }, make)
    t.is(String(posted.body), `POST /b ${size}`)
    const large = await get(address, { path: '/large' }, make)
    t.true(large.body.equals(pattern(5_000_000)))
    drop(small.stream)
  })
}

test('node:http over our listener for a client that knows only paths: keep-alive, many requests', async (t) => {
  const server = answering()
  let connections = 0
  const address = await serve(t, (socket) => {
    connections++
    server.emit('connection', socket)
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  t.teardown(() => agent.destroy())
  const bodies = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
    const request = http.get({ socketPath: address.path, path: `/${index}`, agent })
    const [response] = await once(request, 'response')
    return String(await body(response))
  }))
  t.deepEqual(bodies, bodies.map((_, index) => `GET /${index} 0`))
  t.true(connections <= 2, `${connections} connections`)
})

test('an http agent of ours keeps connections alive', async (t) => {
  const server = answering()
  let connections = 0
  const address = await serve(t, (socket) => {
    connections++
    server.emit('connection', socket)
  })
  class Agent extends http.Agent {
    createConnection(_options, callback) {
      connectTo(address)(callback)
    }
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let index = 0; index < 10; index++) {
    const [response] = await once(http.get({ agent, path: '/' }), 'response')
    t.is(String(await body(response)), 'GET / 0')
  }
  t.is(connections, 1)
})

test('an http server closes an idle connection of ours when its time is over', async (t) => {
  const server = http.createServer((_request, response) => response.end('x'))
  server.keepAliveTimeout = 50
  const address = await serve(t, (socket) => server.emit('connection', socket))
  const stream = await UnixStream.connect(address)
  const request = http.get({ createConnection: () => stream.toDuplex(), headers: { connection: 'keep-alive' } })
  const [response] = await once(request, 'response')
  await body(response)
  t.is(response.headers.connection, 'keep-alive')
  await stream.closed
})

test('an upgrade (as for WebSocket) hands the duplex over', async (t) => {
  const server = http.createServer()
  server.on('upgrade', (_request, socket, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  })
  const address = await serve(t, (socket) => server.emit('connection', socket))
  const stream = await UnixStream.connect(address)
  const request = http.request({ createConnection: () => stream.toDuplex(), headers: { connection: 'upgrade', upgrade: 'echo' } })
  request.end()
  const [, socket] = await once(request, 'upgrade')
  socket.write('hello')
  t.is(String((await once(socket, 'data'))[0]), 'hello')
  socket.destroy()
  await stream.closed
})

test('node:http2, server and client', async (t) => {
  const server = http2.createServer()
  server.on('stream', async (stream, headers) => {
    const received = await body(stream)
    stream.respond({ ':status': 200 })
    stream.end(headers[':path'] === '/large' ? pattern(2_000_000) : `${headers[':path']} ${received.length}`)
  })
  const address = await serve(t, (socket) => server.emit('connection', socket))
  const stream = await UnixStream.connect(address)
  const session = http2.connect('http://nearwire', { createConnection: () => stream.toDuplex() })
  const ask = async (path, data) => {
    const request = session.request({ ':path': path, ':method': data === undefined ? 'GET' : 'POST' })
    request.end(data)
    // Begun at once: over a stream that is not Node's own, all of a short answer may come before a promise is settled.
    const received = body(request)
    const [headers] = await once(request, 'response')
    t.is(headers[':status'], 200)
    return received
  }
  const [a, b, large] = await Promise.all([ask('/a'), ask('/b', Buffer.alloc(1_000_000)), ask('/large')])
  t.is(String(a), '/a 0')
  t.is(String(b), '/b 1000000')
  t.true(large.equals(pattern(2_000_000)))
  session.close()
  await once(session, 'close')
  await stream.closed
})

test('undici, over its connect option', async (t) => {
  const server = answering()
  let connections = 0
  const address = await serve(t, (socket) => {
    connections++
    server.emit('connection', socket)
  })
  const connect = (_options, callback) => connectTo(address)(callback)
  const pool = new Pool('http://nearwire', { connect, connections: 2 })
  const bodies = await Promise.all(Array.from({ length: 20 }, async (_, index) => {
    const response = await undiciRequest(`http://nearwire/${index}`, { dispatcher: pool, method: 'POST', body: 'x'.repeat(index) })
    return response.body.text()
  }))
  t.deepEqual(bodies, bodies.map((_, index) => `POST /${index} ${index}`))
  const large = await undiciRequest('http://nearwire/large', { dispatcher: pool })
  t.true(Buffer.from(await large.body.arrayBuffer()).equals(pattern(5_000_000)))
  t.is(connections, 2)
  await pool.close()
})

test('undici is told when the connection breaks', async (t) => {
  const address = await serve(t, (socket) => { socket.once('data', () => socket.destroy()) })
  const client = new Client('http://nearwire', {
    connect: (_options, callback) => connectTo(address)(callback),
  })
  await t.throwsAsync(client.request({ path: '/', method: 'GET' }))
  await client.destroy()
})

test('undici over our listener, by its own socketPath', async (t) => {
  const server = answering()
  const address = await serve(t, (socket) => server.emit('connection', socket))
  const client = new Client('http://nearwire', { socketPath: address.path })
  const response = await client.request({ path: '/x', method: 'GET' })
  t.is(await response.body.text(), 'GET /x 0')
  await client.close()
})

const openssl = spawnSync('openssl', ['version']).status === 0
;(openssl ? test : test.skip)(`TLS over it, both ends${openssl ? '' : ' (no openssl here to make a certificate)'}`, async (t) => {
  const folder = directory(t)
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=nearwire', '-addext', 'subjectAltName=DNS:nearwire',
    '-keyout', join(folder, 'key'), '-out', join(folder, 'certificate'),
  ], { encoding: 'utf8' })
  t.is(made.status, 0, made.stderr)
  const key = readFileSync(join(folder, 'key'))
  const cert = readFileSync(join(folder, 'certificate'))
  const address = await serve(t, (socket) => {
    const secure = new tls.TLSSocket(socket, { isServer: true, key, cert })
    secure.pipe(secure)
  })
  const stream = await UnixStream.connect(address)
  const secure = tls.connect({ socket: stream.toDuplex(), ca: cert, servername: 'nearwire' })
  await once(secure, 'secureConnect')
  t.true(secure.authorized)
  const data = pattern(3_000_000)
  // The end comes to the other side long before it has answered everything.
  secure.end(data)
  t.true((await body(secure)).equals(data))
  await stream.closed

  const wrong = await UnixStream.connect(address)
  const refused = tls.connect({ socket: wrong.toDuplex(), ca: cert, servername: 'another' })
  const [error] = await once(refused, 'error')
  t.is(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID')
  await wrong.closed
})

const redis = spawnSync('redis-server', ['--version']).status === 0
;(redis ? test : test.skip)(`ioredis against a real Redis${redis ? '' : ' (no redis-server here)'}`, async (t) => {
  const path = place(t, 'redis')
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', directory(t)], { stdio: 'ignore' })
  t.teardown(() => server.kill('SIGKILL'))
  await until(() => existsSync(path))
  class Connector {
    constructor() { this.connecting = false }
    check() { return true }
    async connect() {
      this.connecting = true
      this.stream = await UnixStream.connect(path)
      return this.duplex = this.stream.toDuplex()
    }
    disconnect() {
      this.connecting = false
      this.duplex?.end()
    }
  }
  const client = new Redis({ Connector, lazyConnect: true, retryStrategy: null })
  await client.connect()
  t.is(await client.ping(), 'PONG')
  const large = pattern(2_000_000)
  await client.set('large', large)
  t.true((await client.getBuffer('large')).equals(large))
  const pipeline = client.pipeline()
  for (let index = 0; index < 1000; index++) pipeline.incr('counter')
  const results = await pipeline.exec()
  t.is(results.at(-1)[1], 1000)
  const subscriber = client.duplicate()
  await subscriber.subscribe('news')
  const message = once(subscriber, 'message')
  await client.publish('news', 'hello')
  t.deepEqual(await message, ['news', 'hello'])
  await subscriber.quit()
  await client.quit()
})
