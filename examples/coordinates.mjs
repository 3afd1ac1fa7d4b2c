// Domain, type and protocol: the three coordinates of a socket, asked back from descriptors of every kind.
//   node examples/coordinates.mjs

import { describe, UnixDatagram, UnixSeqpacket, UnixStream } from 'nearwire'
import { NetlinkSocket } from 'nearwire/netlink'

const sockets = [
  UnixStream.pair()[0],
  UnixDatagram.pair()[0],
  UnixSeqpacket.pair()[0],
  await NetlinkSocket.open({ protocol: 'usersock' }),
]
for (const socket of sockets) {
  const { domain, type, protocol } = describe(socket.fd)
  console.log(`${domain} ${type} ${protocol}`)
}
process.exit()
