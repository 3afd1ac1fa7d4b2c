// Opening: what may be asked for, and how it reaches the native side.

import * as check from '../arguments.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { buffers } from './buffers.js'
import { type ProtocolName, protocols } from './constants.js'
import { unwrap } from './failures.js'
import { encodeFilter, type FilterInstruction } from './filter.js'

/** What a socket and a client have in common. */
export interface NetlinkOpenOptions {
  /** The protocol's number (`NETLINK_*` of linux/netlink.h, or one of your own module's) or name. */
  protocol: number | ProtocolName
  /**
   * The port id to be known by, 1 to 2**32 - 1. Default: the kernel's choice, which is the process id for the first socket
   * of a protocol and a large number for others.
   */
  portId?: number
  /**
   * The network namespace it lives in: a name that `ip netns` knows, a path (with a `/`, such as `/proc/1/ns/net`), or the
   * descriptor of a namespace file, which stays yours. Default: that of the process. No thread of yours is moved.
   */
  namespace?: string | number
  /**
   * Bytes of `SO_RCVBUF` to ask for. The kernel doubles the number, raises small ones, and without CAP_NET_ADMIN caps it
   * at `net.core.rmem_max`; `memory()` says what came of it. Default: `net.core.rmem_default`.
   */
  receiveBuffer?: number
  /** The same for `SO_SNDBUF`; no datagram can be larger than what came of it less 32 bytes. */
  sendBuffer?: number
  /** `NETLINK_GET_STRICT_CHK`: rtnetlink refuses sloppy requests, and filters dumps by what they name. Default false. */
  strictChecking?: boolean
  /** `NETLINK_EXT_ACK`: refusals say why in words. Default: false for a socket, true for a client. */
  extendedAck?: boolean
  /** `NETLINK_CAP_ACK`: refusals do not send the request back. Default: false for a socket, true for a client. */
  cappedAck?: boolean
}

/** How to open a `NetlinkSocket`. */
export interface NetlinkSocketOptions extends NetlinkOpenOptions {
  /** Groups to join, numbered from 1. */
  groups?: readonly number[]
  /**
   * What to do when the kernel had no room and datagrams were lost (`ENOBUFS`). `'throw'` (default): `receive()` rejects
   * once, when the kernel says so, which is before what is still queued has been received; and the socket goes on working.
   * `'mark'`: an empty datagram with `overrun: true` comes instead, when all that was queued has been handed out; nothing
   * after it is missing, so that is when to look at the whole state again.
   */
  onOverrun?: 'throw' | 'mark'
  /** A classic BPF program that sees every datagram, from the first one on, before it is queued. */
  filter?: readonly FilterInstruction[]
  /** `NETLINK_PKTINFO`: the group's number with each datagram. Default true; without it groups above 32 are unknown. */
  packetInfo?: boolean
  /**
   * `NETLINK_BROADCAST_ERROR`: a kernel module that multicasts to this socket hears `ENOBUFS` when it was full, and may send
   * again. (A process that multicasts hears nothing.) Default false.
   */
  broadcastErrors?: boolean
  /**
   * `NETLINK_LISTEN_ALL_NSID`: also what is multicast in the network namespaces that have an id in the socket's own.
   * Needs CAP_NET_BROADCAST. Default false.
   */
  listenAllNamespaces?: boolean
}

export interface Opened {
  native: Native.NetlinkSocket
  slot: number
}

const U32 = 0xffff_ffff
/** The kernel doubles what it is given, in 31 bits. */
const LARGEST_BUFFER = 0x3fff_ffff

/** Checks the options of either kind and puts them as the native side takes them. */
export function nativeOptions(options: Partial<NetlinkOpenOptions>): Native.NetlinkOpenOptions {
  const { portId, receiveBuffer, sendBuffer } = options
  const size = (name: string, value: number): number => check.integer(name, value, 0, LARGEST_BUFFER)
  const flag = (name: keyof NetlinkOpenOptions): boolean => check.bool(`options.${name}`, options[name], false)
  return {
    protocol: protocolNumber(options.protocol),
    ...(portId === undefined ? {} : { portId: check.integer('options.portId', portId, 1, U32) }),
    ...(receiveBuffer === undefined ? {} : { receiveBuffer: size('options.receiveBuffer', receiveBuffer) }),
    ...(sendBuffer === undefined ? {} : { sendBuffer: size('options.sendBuffer', sendBuffer) }),
    ...namespaceOf(options.namespace),
    strictChecking: flag('strictChecking'),
    extAck: flag('extendedAck'),
    capAck: flag('cappedAck'),
    // Packet information costs time on each datagram, and is for who joins groups.
    packetInfo: false,
  }
}

/** Opens the native socket of a `NetlinkSocket`. */
export function openSocket(options: Partial<NetlinkSocketOptions>): Opened {
  return open({
    ...nativeOptions(options),
    packetInfo: check.bool('options.packetInfo', options.packetInfo, true),
    broadcastError: check.bool('options.broadcastErrors', options.broadcastErrors, false),
    listenAllNsid: check.bool('options.listenAllNamespaces', options.listenAllNamespaces, false),
    groups: groupsOf(options.groups),
    ...(options.filter === undefined ? {} : { filter: encodeFilter('options.filter', options.filter) }),
  })
}

export function open(options: Native.NetlinkOpenOptions): Opened {
  const slot = reserveSlot()
  try {
    return { native: unwrap(native.NetlinkSocket.open(eventLoop, slot, buffers.native, options)), slot }
  } catch (error) {
    giveBack(slot)
    throw error
  }
}

/**
 * Opens one whose port id is not the peer's. The kernel's first choice is the process id, free again as soon as a peer in this
 * process has closed: a request from there would go to itself, and be taken for its own answer.
 */
export function openBeside(peer: number, options: Native.NetlinkOpenOptions): Opened {
  const opened = open(options)
  if (peer === 0 || opened.native.portId() !== peer) return opened
  try {
    return open(options)
  } finally {
    opened.native.close()
    giveBack(opened.slot)
  }
}

export function adopt(fd: number): Opened {
  check.descriptor('fd', fd)
  const slot = reserveSlot()
  try {
    return { native: unwrap(native.NetlinkSocket.adopt(eventLoop, slot, buffers.native, fd)), slot }
  } catch (error) {
    giveBack(slot)
    throw error
  }
}

/** A group number, from 1. */
export function groupNumber(name: string, value: unknown): number {
  return check.integer(name, value, 1, U32)
}

function groupsOf(groups: unknown): number[] {
  if (groups === undefined) return []
  if (!Array.isArray(groups)) throw check.invalidType('options.groups', groups, 'an array of group numbers')
  // Not map(), which passes by what a sparse array lacks.
  return Array.from(groups, (group, index) => groupNumber(`options.groups[${index}]`, group))
}

function protocolNumber(protocol: unknown): number {
  if (typeof protocol === 'string') {
    const names = Object.keys(protocols) as ProtocolName[]
    return protocols[check.oneOf('options.protocol', protocol as ProtocolName, names)]
  }
  if (typeof protocol !== 'number') throw check.invalidType('options.protocol', protocol, 'a number or a name')
  return check.integer('options.protocol', protocol, 0, 0x7fff_ffff)
}

function namespaceOf(namespace: unknown): Partial<Native.NetlinkOpenOptions> {
  if (namespace === undefined) return {}
  if (typeof namespace === 'number') return { namespaceFd: check.descriptor('options.namespace', namespace) }
  if (typeof namespace !== 'string') {
    throw check.invalidType('options.namespace', namespace, 'a name, a path or a descriptor')
  }
  if (namespace === '' || namespace.includes('\0')) {
    throw check.invalidValue('options.namespace', namespace, 'a name or a path, not empty and without NUL')
  }
  return namespace.includes('/') ? { namespacePath: namespace } : { namespaceName: namespace }
}
