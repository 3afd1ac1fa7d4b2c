// Messages with boundaries on a stream, as JSON: a server that adds, a client that asks.
//   node examples/framed-messages.mjs

import { json, UnixListener, UnixStream } from 'nearwire'

// An abstract name: nothing in the file system, gone with its last socket.
const name = { abstract: `nearwire-example-${process.pid}` }

const listener = await UnixListener.listen(name)
listen()

const client = (await UnixStream.connect(name)).framed({ codec: json() })
for (let n = 1; n <= 3; n++) client.send([n, n])
let answers = 0
for await (const sum of client) {
  console.log(`the sum is ${sum}`)
  if (++answers === 3) break
}
await client.close()
await listener.close()

async function listen() {
  for await (const stream of listener) serve(stream).catch((error) => console.error(error.message))
}

async function serve(stream) {
  // At most 1 KiB a message: a longer one is refused before memory is spent on it.
  const messages = stream.framed({ codec: json(), maxLength: 1024 })
  try {
    for await (const [left, right] of messages) {
      // A promise comes back only when the peer is not keeping up.
      await messages.send(left + right)
    }
  } finally {
    await messages.close()
  }
}
