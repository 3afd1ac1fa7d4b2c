// Routes through npm's `netlink`: `request`, `dump` (raw), `dump parsed`, `events`.
import netlink from 'netlink'
import { role } from '../programs/program.mjs'
import { BURST_EVENTS, CREATE_EXCLUSIVELY, everyRoute, newRoute, RTM_GETROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from '../programs/route-message.mjs'
import { bursts, dumps, requests } from '../programs/route-runs.mjs'

const NLM_F_DUMP = 0x300

if (role === 'dump parsed') {
  const socket = netlink.createRtNetlink({ ref: true })
  await dumps(async () => (await socket.getRoutes({ family: 2 })).length)
}

const socket = netlink.createNetlink(netlink.Protocol.ROUTE, { ref: true })
if (role === 'request') {
  await requests((index) => socket.request(RTM_NEWROUTE, newRoute(index), { flags: CREATE_EXCLUSIVELY }))
} else if (role === 'dump') {
  await dumps(async () => (await socket.request(RTM_GETROUTE, everyRoute(), { flags: NLM_F_DUMP }))[0].length)
} else if (role === 'events') {
  socket.addMembership(RTNLGRP_IPV4_ROUTE)
  const { burst, delivered } = bursts(BURST_EVENTS)
  socket.on('message', (messages) => delivered(messages.length))
  burst()
}
