// The bytes that ours and npm's `netlink` send alike, made the same way for both.
import { endianness } from 'node:os'

export const RTM_NEWROUTE = 24
export const RTM_GETROUTE = 26
export const RTNLGRP_IPV4_ROUTE = 7
export const CREATE_EXCLUSIVELY = 0x400 | 0x200
export const BURST_EVENTS = 200

const little = endianness() === 'LE'

/** `struct rtmsg`, RTA_DST 10.0.0.0/32 and RTA_OIF 1, which is `lo`. */
const route = Buffer.alloc(28)
const put16 = (value, at) => (little ? route.writeUInt16LE(value, at) : route.writeUInt16BE(value, at))
route[0] = 2 // AF_INET
route[1] = 32 // prefix length
route[4] = 254 // RT_TABLE_MAIN
route[5] = 4 // RTPROT_STATIC
route[6] = 253 // RT_SCOPE_LINK
route[7] = 1 // RTN_UNICAST
put16(8, 12)
put16(1, 14)
put16(8, 20)
put16(4, 22)
route[little ? 24 : 27] = 1

/** The same with RTA_DST 10.0.0.0/32 + index. */
export function newRoute(index) {
  const payload = Buffer.from(route)
  payload.writeUInt32BE(0x0a000000 + index, 16)
  return payload
}

/** `struct rtmsg` of a dump of IPv4 routes. */
export function everyRoute() {
  const payload = Buffer.alloc(12)
  payload[0] = 2
  return payload
}
