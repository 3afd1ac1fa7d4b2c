// A datagram server that answers the sender's address.
//   node examples/datagram-server.mjs [path]

import { UnixDatagram } from 'nearwire'

const socket = await UnixDatagram.bind(process.argv[2] ?? '/tmp/nearwire-datagram.sock')
console.log(`bound to ${socket.address.path}`)

process.once('SIGTERM', () => socket.close())

for await (const { data, from } of socket) {
  // A sender without a name cannot be answered.
  if (from !== null) answer(from, `${data}, too`).catch((error) => console.error(error.message))
}

async function answer(to, text) {
  // Whoever has left is an error, and whoever does not read keeps nobody waiting.
  await socket.send(text, { to, signal: AbortSignal.timeout(1000) })
}
