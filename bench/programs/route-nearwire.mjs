// Routes through nearwire/netlink: `request`, `batch`, `dump`, `events`.
import { NetlinkClient, NetlinkSocket } from 'nearwire/netlink'
import { amount, result, role } from './program.mjs'
import { BURST_EVENTS, CREATE_EXCLUSIVELY, everyRoute, newRoute, RTM_GETROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from './route-message.mjs'
import { bursts, dumps, requests } from './route-runs.mjs'

const add = (index) => ({ type: RTM_NEWROUTE, flags: CREATE_EXCLUSIVELY, payload: newRoute(index) })

if (role === 'events') {
  const socket = await NetlinkSocket.open({ protocol: 'route', groups: [RTNLGRP_IPV4_ROUTE] })
  const { burst, delivered } = bursts(BURST_EVENTS)
  burst()
  for await (const datagram of socket) {
    let count = 0
    for (const { type } of datagram.messages()) if (type >= RTM_NEWROUTE) count++
    delivered(count)
  }
}

const client = await NetlinkClient.open({ protocol: 'route' })
if (role === 'request') {
  await requests((index) => client.request(add(index)))
} else if (role === 'dump') {
  await dumps(async () => {
    let routes = 0
    // Undecoded, as decoders take them: where each message is, without an object for each.
    for await (const batch of client.dump({ type: RTM_GETROUTE, payload: everyRoute() }).batches()) {
      for (let i = 0; i < batch.length; i++) if (batch.end(i) > batch.start(i)) routes++
    }
    return routes
  })
} else {
  const start = performance.now()
  for (let i = 0; i < amount; i += 500) {
    await client.batch(Array.from({ length: Math.min(500, amount - i) }, (_, offset) => add(i + offset)))
  }
  result((amount * 1000) / (performance.now() - start))
}
