// Tells a group something: one datagram, however many listen.
//   node examples/netlink-group-sender.mjs [group] [text]

import { NetlinkSocket } from 'nearwire/netlink'

const [group = '1', text = 'hello'] = process.argv.slice(2)
const socket = await NetlinkSocket.open({ protocol: 'usersock' })
await socket.send(text, { group: Number(group) })
console.log(`told group ${group}`)
await socket.close()
