// Every example of the stream part does what it says, as a user would run it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { delimiter, text, UnixStream } from 'nearwire'

import { start } from './helpers/programs.mjs'

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'nearwire-examples-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

test('the root example: the client sends A, the server answers B', async (t) => {
  const path = join(folder(t), 'root.sock')
  const server = start(t, 'examples/stream-server.mjs', path)
  t.is(await server.line(), `listening at ${path}`)
  const client = start(t, 'examples/stream-client.mjs', path)
  t.deepEqual(await client.rest(), ['A -> B'])
  t.is(await client.exit, 0, client.errors())
  server.process.kill('SIGTERM')
  t.is(await server.exit, 0, server.errors())
})

test('the root example replaces a stale socket file', async (t) => {
  const path = join(folder(t), 'stale.sock')
  const first = start(t, 'examples/stream-server.mjs', path)
  await first.line()
  first.process.kill('SIGKILL')
  t.is(await first.exit, 'SIGKILL')
  const second = start(t, 'examples/stream-server.mjs', path)
  t.is(await second.line(), `listening at ${path}`)
  const client = start(t, 'examples/stream-client.mjs', path)
  t.deepEqual(await client.rest(), ['A -> B'])
})

test('the root example does not replace a live server, nor a file', async (t) => {
  const live = join(folder(t), 'live.sock')
  const server = createServer().listen(live)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const refused = start(t, 'examples/stream-server.mjs', live)
  t.is(await refused.exit, 1)
  t.regex(refused.errors(), /EADDRINUSE/)
  const file = join(folder(t), 'file')
  writeFileSync(file, 'not a socket')
  const refusedToo = start(t, 'examples/stream-server.mjs', file)
  t.is(await refusedToo.exit, 1)
  t.regex(refusedToo.errors(), /EADDRINUSE/)
})

test('framed messages', async (t) => {
  const example = start(t, 'examples/framed-messages.mjs')
  t.deepEqual(await example.rest(), ['the sum is 2', 'the sum is 4', 'the sum is 6'])
  t.is(await example.exit, 0, example.errors())
})

test('lines', async (t) => {
  const path = join(folder(t), 'lines.sock')
  const server = start(t, 'examples/lines.mjs', path)
  await server.line()
  const lines = (await UnixStream.connect(path)).framed({ framing: delimiter('\n'), codec: text() })
  lines.send('hello')
  lines.send('stop')
  const answers = []
  for await (const line of lines) {
    answers.push(line)
    if (answers.length === 2) break
  }
  t.deepEqual(answers, ['HELLO', 'STOP'])
  await lines.close()
  t.is(await server.exit, 0, server.errors())
})

test('http, and a second server that takes over from the first', async (t) => {
  const path = join(folder(t), 'http.sock')
  const fetch = () => new Promise((resolve, reject) => {
    get({ socketPath: path, path: '/hello', agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve(body)
    }).on('error', reject)
  })
  const first = start(t, 'examples/http.mjs', path)
  await first.line()
  t.is(await fetch(), 'GET /hello\n')
  const second = start(t, 'examples/http.mjs', path)
  await second.line()
  first.process.kill('SIGTERM')
  t.is(await first.exit, 0, first.errors())
  t.is(await fetch(), 'GET /hello\n')
  second.process.kill('SIGTERM')
  t.is(await second.exit, 0, second.errors())
})

test('bulk', async (t) => {
  const example = start(t, 'examples/bulk.mjs')
  t.regex((await example.rest()).join('\n'), /^\d+ bytes, the same$/)
  t.is(await example.exit, 0, example.errors())
})

test('a datagram server that answers the sender', async (t) => {
  const path = join(folder(t), 'datagram.sock')
  const server = start(t, 'examples/datagram-server.mjs', path)
  t.is(await server.line(), `bound to ${path}`)
  const client = start(t, 'examples/datagram-client.mjs', path)
  t.deepEqual(await client.rest(), ['hello -> hello, too'])
  t.is(await client.exit, 0, client.errors())
  server.process.kill('SIGTERM')
  t.is(await server.exit, 0, server.errors())
})

test('seqpacket: boundaries, and an empty message', async (t) => {
  const example = start(t, 'examples/seqpacket.mjs')
  t.deepEqual(await example.rest(), ['5 bytes: first', '0 bytes: ', '5 bytes: third', 'the end'])
  t.is(await example.exit, 0, example.errors())
})

test('the three coordinates of a socket', async (t) => {
  const example = start(t, 'examples/coordinates.mjs')
  t.deepEqual(await example.rest(), [
    'AF_UNIX SOCK_STREAM 0',
    'AF_UNIX SOCK_DGRAM 0',
    'AF_UNIX SOCK_SEQPACKET 0',
    'AF_NETLINK SOCK_RAW 2',
  ])
  t.is(await example.exit, 0, example.errors())
})

test('a descriptor passed to another process', async (t) => {
  const example = start(t, 'examples/pass-descriptor.mjs')
  const lines = await example.rest()
  t.true(lines.includes(`passed to a process of user ${process.getuid()}`), lines.join())
  t.true(lines.some((line) => line.startsWith('its first line: // A process opens a file')), lines.join())
  t.is(await example.exit, 0, example.errors())
})
