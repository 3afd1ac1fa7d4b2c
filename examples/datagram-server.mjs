// A datagram server that answers the sender's address.
//   node examples/datagram-server.mjs [path]

import { UnixDatagram } from 'nearwire'

const socket = await UnixDatagram.bind(process.argv[2] ?? '/tmp/nearwire-datagram.sock')
console.log(`bound to ${socket.address.path}`)

process.once('SIGTERM', () => socket.close())

for await (const { data, from } of socket) {
  // A sender without a name cannot be answered.
  if (from !== null) await socket.send(`${data}, too`, { to: from })
}
