// The network interfaces, and then what changes about them, straight from the kernel.
//   node examples/netlink-links.mjs [--watch]

import { attributes, message, NetlinkClient, NetlinkSocket, struct } from 'nearwire/netlink'

// rtnetlink(7), of which this needs: struct ifinfomsg, and two of the attributes that follow it.
const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTNLGRP_LINK = 1
const Link = message('link', {
  header: struct('ifinfomsg', {
    family: 'u8', pad: { type: 'pad', length: 1 }, type: 'u16', index: 's32', flags: 'u32', change: 'u32',
  }),
  attributes: attributes('link', { name: { id: 3, type: 'string' }, mtu: { id: 4, type: 'u32' } }),
})

async function list() {
  for await (const { payload } of client.dump({ type: RTM_GETLINK, payload: Link.encode({}) })) {
    const { index, name, mtu } = Link.decode(payload)
    console.log(`${index}: ${name} mtu ${mtu}`)
  }
}

const client = await NetlinkClient.open({ protocol: 'route' })
if (process.argv[2] !== '--watch') {
  await list()
} else {
  // Events first, then the list: nothing that happens in between is missed.
  const events = await NetlinkSocket.open({ protocol: 'route', groups: [RTNLGRP_LINK], onOverrun: 'mark' })
  process.once('SIGTERM', () => events.close())
  await list()
  console.log('watching')
  for await (const datagram of events) {
    if (datagram.overrun) await list() // Some events are lost; all there is to know is in the list.
    for (const { type, payload } of datagram.messages()) {
      if (type === RTM_NEWLINK) console.log(`changed: ${Link.decode(payload).name}`)
      if (type === RTM_DELLINK) console.log(`removed: ${Link.decode(payload).name}`)
    }
  }
}
await client.close()
