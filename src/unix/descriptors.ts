// A descriptor that came from elsewhere: what it is, and which object it should become.

import { fstatSync, type Stats } from 'node:fs'
import type { Server, Socket } from 'node:net'

import * as check from '../arguments.js'
import { errnoName, SocketError } from '../errors.js'
import { native } from '../native.js'
import type { ReceiveOptions } from './ancillary.js'
import { UnixDatagram } from './datagram.js'
import { failure } from './failures.js'
import { UnixListener } from './listener.js'
import { UnixSeqpacketListener } from './seqpacket-listener.js'
import { UnixSeqpacket } from './seqpacket.js'
import { UnixStream } from './stream.js'

const EINVAL = 22
const ENOTSOCK = 88
const EPROTOTYPE = 91
const EAFNOSUPPORT = 97
const ENOTCONN = 107
const DOMAINS: Readonly<Record<number, string>> = {
  1: 'AF_UNIX', 2: 'AF_INET', 10: 'AF_INET6', 16: 'AF_NETLINK', 17: 'AF_PACKET', 40: 'AF_VSOCK',
}
const TYPES: Readonly<Record<number, string>> = { 1: 'SOCK_STREAM', 2: 'SOCK_DGRAM', 3: 'SOCK_RAW', 5: 'SOCK_SEQPACKET' }
/** Those for which Node has a `net.Socket`. */
const NET_DOMAINS: ReadonlySet<string | number> = new Set(['AF_UNIX', 'AF_INET', 'AF_INET6'])

/** A socket's three coordinates and its state. */
export interface SocketDescription {
  /** A socket, of any family. */
  kind: 'socket'
  /** `SO_DOMAIN`: 'AF_UNIX', 'AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK'; a number for others. */
  domain: string | number
  /** `SO_TYPE`: 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_SEQPACKET', 'SOCK_RAW'; a number for others. */
  type: string | number
  /** `SO_PROTOCOL`: 0 for AF_UNIX; the protocol's number for the others. */
  protocol: number
  /** `SO_ACCEPTCONN`: it accepts connections. */
  listening: boolean
  /** It has a peer. */
  connected: boolean
}

/** What a descriptor is open on. */
export type Description = SocketDescription | {
  /** 'anonymous': an eventfd, a pidfd, an epoll instance and their like. */
  kind: 'file' | 'directory' | 'pipe' | 'character device' | 'block device' | 'anonymous'
}

/**
 * What a descriptor is, without changing anything about it. Errors: `EBADF`.
 */
export function describe(fd: number): Description {
  const stats = statOf(fd)
  if (stats.isSocket()) {
    const domain = option(fd, 'SO_DOMAIN')
    const type = option(fd, 'SO_TYPE')
    return {
      kind: 'socket',
      domain: DOMAINS[domain] ?? domain,
      type: TYPES[type] ?? type,
      protocol: option(fd, 'SO_PROTOCOL'),
      listening: option(fd, 'SO_ACCEPTCONN') !== 0,
      connected: native.hasPeer(fd),
    }
  }
  if (stats.isFile()) return { kind: 'file' }
  if (stats.isDirectory()) return { kind: 'directory' }
  if (stats.isFIFO()) return { kind: 'pipe' }
  if (stats.isCharacterDevice()) return { kind: 'character device' }
  return { kind: stats.isBlockDevice() ? 'block device' : 'anonymous' }
}

/** An AF_UNIX socket of any type and state. */
export type AnyUnixSocket = UnixStream | UnixListener | UnixDatagram | UnixSeqpacket | UnixSeqpacketListener

/**
 * Makes an AF_UNIX descriptor the object of this package that fits its type and state. It is that object's from then on.
 *
 * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (another address family), `ENOTCONN` (neither connected nor listening);
 * the descriptor then stays as it was.
 */
export function socketFromFd(fd: number, options?: ReceiveOptions): AnyUnixSocket {
  const { domain, type, listening } = describeSocket(fd)
  if (domain !== 'AF_UNIX') {
    throw refused(EAFNOSUPPORT, `the descriptor is a socket of ${domain}, not of AF_UNIX`)
  }
  switch (type) {
    case 'SOCK_DGRAM': return UnixDatagram.fromFd(fd, options)
    case 'SOCK_SEQPACKET': return listening ? UnixSeqpacketListener.fromFd(fd) : UnixSeqpacket.fromFd(fd, options)
    default: return listening ? UnixListener.fromFd(fd) : UnixStream.fromFd(fd, options)
  }
}

/**
 * Makes a connected stream descriptor (AF_UNIX or TCP) a `net.Socket`. It is that object's from then on.
 *
 * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT`, `EPROTOTYPE` (not a stream), `EINVAL` (it listens), `ENOTCONN`.
 */
export function netSocketFromFd(fd: number, options?: { allowHalfOpen?: boolean }): Socket {
  const allowHalfOpen = check.bool('options.allowHalfOpen', check.options('options', options).allowHalfOpen, false)
  const { listening, connected } = describeNet(fd)
  if (listening) throw refused(EINVAL, 'the socket is a listening one')
  if (!connected) throw refused(ENOTCONN, 'the socket is not connected to anything')
  const { Socket } = process.getBuiltinModule('node:net')
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen })
}

/**
 * Makes a listening stream descriptor (AF_UNIX or TCP) a `net.Server` that listens already. It is that object's from then
 * on; the name of an AF_UNIX socket is not unlinked. For `http` and its like: `createServer().listen({ fd })`.
 *
 * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT`, `EPROTOTYPE` (not a stream), `EINVAL` (it does not listen).
 */
export function netServerFromFd(fd: number, onConnection?: (socket: Socket) => void): Server {
  if (!describeNet(fd).listening) throw refused(EINVAL, 'the socket does not listen')
  const { createServer } = process.getBuiltinModule('node:net')
  return createServer(onConnection).listen({ fd })
}

/**
 * Closes a descriptor that no object owns: one that came with a message, or that `createMemfd()` or `detach()` gave.
 *
 * In a worker, close what `fs.open()` gave with `fs.close()`: Node closes those a second time when the worker ends. For
 * what came from elsewhere `fs.close()` works, too, but warns there.
 *
 * Errors: `EBADF`, and whatever else close(2) reports; the descriptor is gone then, too.
 */
export function closeDescriptor(fd: number): void {
  check.descriptor('fd', fd)
  const failed = native.closeFd(fd)
  if (failed !== null) throw failure(failed)
}

/** @internal How much to read or write at a time: `node:fs` cuts lengths to 31 bits, so that 4 GiB become nothing. */
export const LARGEST_TRANSFER = 2 ** 30

/** @internal */
export function statOf(fd: number): Stats {
  check.descriptor('fd', fd)
  try {
    return fstatSync(fd)
  } catch (error) {
    throw system(error, 'fstat')
  }
}

/** @internal An error of `node:fs` as one of ours. */
export function system(error: unknown, syscall: string): SocketError {
  const errno = -((error as NodeJS.ErrnoException).errno ?? 0)
  return new SocketError({ errno, code: errnoName(errno), syscall, cause: error })
}

function describeSocket(fd: number): SocketDescription {
  const found = describe(fd)
  if (found.kind !== 'socket') throw refused(ENOTSOCK, `the descriptor is no socket: ${found.kind}`)
  return found
}

function describeNet(fd: number): SocketDescription {
  const found = describeSocket(fd)
  if (!NET_DOMAINS.has(found.domain)) {
    throw refused(EAFNOSUPPORT, `node:net has no sockets of ${found.domain}`)
  }
  if (found.type !== 'SOCK_STREAM') throw refused(EPROTOTYPE, `the socket is ${found.type}, not SOCK_STREAM`)
  return found
}

function option(fd: number, name: string): number {
  const value = native.getSocketOption(fd, name)
  if (typeof value === 'number') return value
  throw failure(value)
}

function refused(errno: number, explanation: string): SocketError {
  return new SocketError({ errno, syscall: 'getsockopt', explanation })
}
