// The few requests of rtnetlink that the tests make, as the toolkit describes them.
import { attributes, message, struct } from 'nearwire/netlink'

export const RTM_NEWLINK = 16
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTNLGRP_LINK = 1
export const RTNLGRP_IPV4_ROUTE = 7
export const CREATE = 0x400 | 0x200
export const LOOPBACK = 1

export const Link = message('link', {
  header: struct('ifinfomsg', {
    family: 'u8', pad: { type: 'pad', length: 1 }, kind: 'u16', index: 's32', flags: 'u32', change: 'u32',
  }),
  attributes: attributes('link', { name: { id: 3, type: 'string' }, mtu: { id: 4, type: 'u32' } }),
})

export const Address = message('address', {
  header: struct('ifaddrmsg', { family: 'u8', prefix: 'u8', flags: 'u8', scope: 'u8', index: 'u32' }),
  attributes: attributes('address', {
    address: { id: 1, type: 'u32', byteOrder: 'big-endian' }, local: { id: 2, type: 'u32', byteOrder: 'big-endian' },
  }),
})

export const Route = message('route', {
  header: struct('rtmsg', {
    family: 'u8', prefix: 'u8', sourcePrefix: 'u8', tos: 'u8', table: 'u8', protocol: 'u8', scope: 'u8', type: 'u8', flags: 'u32',
  }),
  attributes: attributes('route', {
    destination: { id: 1, type: 'u32', byteOrder: 'big-endian' }, output: { id: 4, type: 'u32' }, priority: { id: 6, type: 'u32' },
  }),
})

const BASE = 0x0a000000

/** 10.0.0.0 + index on the loopback device. */
export const addAddress = (index) => ({
  type: RTM_NEWADDR,
  flags: CREATE,
  payload: Address.encode({ family: 2, prefix: 32, index: LOOPBACK, local: BASE + index, address: BASE + index }),
})

export const deleteAddress = (index) => ({ ...addAddress(index), type: RTM_DELADDR, flags: 0 })

/** A route to 10.0.0.0 + index through the loopback device. */
export const addRoute = (index) => ({
  type: RTM_NEWROUTE,
  flags: CREATE,
  payload: Route.encode({
    family: 2, prefix: 32, table: 254, protocol: 4, scope: 253, type: 1, destination: BASE + index, output: LOOPBACK,
  }),
})

export const deleteRoute = (index) => ({ ...addRoute(index), type: RTM_DELROUTE, flags: 0 })

/** All of a kind, IPv4. */
export const everyAddress = { type: RTM_GETADDR, payload: Address.encode({ family: 2 }) }
export const everyRoute = { type: RTM_GETROUTE, payload: Route.encode({ family: 2 }) }
export const everyLink = { type: RTM_GETLINK, payload: Link.encode({}) }

/** The index of a route of `addRoute()`. */
export const routeIndex = ({ payload }) => Route.decode(payload).destination - BASE

export const numbers = (count, of = (index) => index) => Array.from({ length: count }, (_, index) => of(index))
