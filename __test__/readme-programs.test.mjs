// The programs at the head of the README, word for word: in a namespace of their own, where /run and its sockets are theirs.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { json, raw, UnixDatagram, UnixStream } from 'nearwire'
import { inNamespace, start } from './helpers/namespace.mjs'

const root = join(import.meta.dirname, '..')
const test = await inNamespace(import.meta.url)

const [server, client, datagrams, kernel] = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```js\n([\s\S]*?)^```/gm)]
  .map(([, program]) => () => start('sh', ['-c', 'ulimit -n 600 && exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', program], { cwd: root }))

/** The program, once its socket is there. */
async function serving(run, path) {
  const program = run()
  while (!existsSync(path)) {
    assert.equal(program.child.exitCode, null, `it ended without ${path}`)
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
  return program
}

test('framed messages: the client gets its answer, and so does another meanwhile', async () => {
  await serving(server, '/run/app.sock')
  const one = client()
  await one.said("{ hello: 'you' }\n")
  await client().said("{ hello: 'you' }\n")
  assert.equal(one.child.exitCode, null)
})

test('framed messages: clients that leave, or speak something else, leave nothing behind', async () => {
  // The server of the test before, which may have 600 descriptors.
  for (let count = 0; count < 700; count++) {
    const stream = await UnixStream.connect('/run/app.sock')
    const messages = stream.framed({ codec: count % 100 === 0 ? raw() : json() })
    await messages.send(count % 100 === 0 ? 'no JSON' : { name: `${count}` })
    if (count % 100 === 0) assert.equal((await messages[Symbol.asyncIterator]().next()).done, true)
    else assert.deepEqual((await messages[Symbol.asyncIterator]().next()).value, { hello: `${count}` })
    await stream.close()
  }
})

test('the datagram server answers whoever asked, and closes what it was passed', async (t) => {
  await serving(datagrams, '/run/log.sock')
  const socket = await UnixDatagram.bind('auto')
  t.after(() => socket.close())
  // Were they kept, the third message's would find no room.
  for (let count = 0; count < 4; count++) {
    await socket.send('hello', { to: '/run/log.sock', fds: Array(250).fill(0) })
    const { data } = await socket.receive({ signal: AbortSignal.timeout(10_000) })
    assert.equal(String(data), 'got 5 bytes and 250 files')
  }
})

test('the datagram server answers others when a client has left, and when one does not read', async (t) => {
  // The server of the test before.
  const gone = await UnixDatagram.bind('auto')
  await gone.send('leaving', { to: '/run/log.sock' })
  await gone.close()
  const deaf = await UnixDatagram.bind('auto')
  const socket = await UnixDatagram.bind('auto')
  t.after(() => Promise.all([deaf.close(), socket.close()]))
  for (let count = 0; count < 30; count++) await deaf.send('hello', { to: '/run/log.sock' })
  await socket.send('hello', { to: '/run/log.sock' })
  const { data } = await socket.receive({ signal: AbortSignal.timeout(10_000) })
  assert.equal(String(data), 'got 5 bytes and 0 files')
})

test('netlink: lists the interfaces and ends', async () => {
  const { code, out, error } = await kernel().ended
  assert.equal(code, 0, error)
  assert.ok(out.split('\n').includes('1'), out)
})
