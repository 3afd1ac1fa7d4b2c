// The bytes that ours and npm's `netlink` send alike, made the same way for both.
import { endianness } from 'node:os'

export const RTM_NEWROUTE = 24
export const RTM_GETROUTE = 26
export const RTNLGRP_IPV4_ROUTE = 7
export const CREATE_EXCLUSIVELY = 0x400 | 0x200
export const BURST_EVENTS = 200

const little = endianness() === 'LE'

/** `struct rtmsg`, RTA_DST 10.0.0.0/32 + index and RTA_OIF 1, which is `lo`. */
export function newRoute(index) {
  const payload = Buffer.alloc(28)
  const put16 = (value, at) => (little ? payload.writeUInt16LE(value, at) : payload.writeUInt16BE(value, at))
  payload[0] = 2 // AF_INET
  payload[1] = 32 // prefix length
  payload[4] = 254 // RT_TABLE_MAIN
  payload[5] = 4 // RTPROT_STATIC
  payload[6] = 253 // RT_SCOPE_LINK
  payload[7] = 1 // RTN_UNICAST
  put16(8, 12)
  put16(1, 14)
  payload.writeUInt32BE(0x0a000000 + index, 16)
  put16(8, 20)
  put16(4, 22)
  payload[little ? 24 : 27] = 1
  return payload
}

/** `struct rtmsg` of a dump of IPv4 routes. */
export function everyRoute() {
  const payload = Buffer.alloc(12)
  payload[0] = 2
  return payload
}
