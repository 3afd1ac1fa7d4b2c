// Hears what is told to a group. Joining one of this protocol takes CAP_NET_ADMIN in the network namespace.
//   node examples/netlink-group-listener.mjs [group]

import { NetlinkSocket } from 'nearwire/netlink'

const group = Number(process.argv[2] ?? 1)
// Multicast waits for nobody: a listener that falls behind loses datagrams, and wants to know.
const socket = await NetlinkSocket.open({ protocol: 'usersock', groups: [group], onOverrun: 'mark' })
console.log(`listening to group ${group}`)
process.once('SIGTERM', () => socket.close())

for await (const { data, from, group: to, overrun } of socket) {
  console.log(overrun ? 'something was lost here' : `from port id ${from} to group ${to}: ${data}`)
}
