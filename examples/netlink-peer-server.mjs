// Answers other processes over netlink, without a kernel module: whoever sends text to this port id gets it back in capitals.
//   node examples/netlink-peer-server.mjs [port id]

import { NetlinkSocket } from 'nearwire/netlink'

const portId = Number(process.argv[2] ?? 4242)

let socket
try {
  // Protocol 2 is for processes among themselves: anyone may send, so what comes in is checked, not trusted.
  socket = await NetlinkSocket.open({ protocol: 'usersock', portId })
} catch (error) {
  if (error.code !== 'EADDRINUSE') throw error
  console.error(error.message)
  process.exit(1)
}
console.log(`port id ${socket.portId}`)
process.once('SIGTERM', () => socket.close())

for await (const datagram of socket) {
  try {
    for (const { type, sequence, payload } of datagram.messages()) {
      // `from` is what the kernel vouches for; the sequence number is how the asker knows its answer.
      await socket.send({ type, sequence, payload: Buffer.from(`${payload}`.toUpperCase()) }, { to: datagram.from })
    }
  } catch (error) {
    console.error(`from port id ${datagram.from}: ${error.message}`)
  }
}
