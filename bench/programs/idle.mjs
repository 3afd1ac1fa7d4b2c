// How much memory a server's process grows by for each connection that waits for data: `nearwire` (a pending read),
// `nearwire iterated` (for await), `net` (its `data` event), `net iterated`.
// The amount is how many connections.
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { amount, path, ready, result, role } from './program.mjs'

/** Private memory in bytes: what this process alone has touched, without the shared parts of Node. */
function used() {
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8')
  return Number(/Private_Dirty:\s+(\d+)/.exec(text)[1]) * 1024
}

// Not a flag of the command line: with one, Node compiles its own modules anew (the cache of their code is for other flags).
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

const connections = []
const settle = async () => {
  for (let i = 0; i < 5; i++) {
    await setImmediate()
    gc()
  }
}

let before
async function accepted(connection) {
  connections.push(connection)
  // The first hundred bring what is there once: code, buffers, tables. The client waits for the byte.
  if (connections.length === 100) {
    await settle()
    before = used()
    connection.write('.')
  } else if (connections.length === amount) {
    await settle()
    result((used() - before) / (amount - 100))
  }
}

const unexpected = (data) => {
  throw new Error(`nothing is sent, and yet: ${data}`)
}
const iterate = async (stream) => {
  for await (const chunk of stream) unexpected(chunk)
}

const [library, iterated] = role.split(' ')
if (library === 'net') {
  const { createServer } = await import('node:net')
  const wait = iterated ? iterate : (socket) => socket.on('data', unexpected)
  createServer((socket) => {
    wait(socket)
    accepted(socket)
  }).listen({ path, backlog: 511 }, ready)
} else {
  const { UnixListener } = await import('nearwire')
  const listener = await UnixListener.listen(path)
  ready()
  // One buffer for all: the bytes are there only once there is something to read.
  const room = Buffer.alloc(65536)
  const wait = iterated ? iterate : (stream) => stream.read(room).then(unexpected)
  for await (const stream of listener) {
    wait(stream)
    accepted(stream)
  }
}
