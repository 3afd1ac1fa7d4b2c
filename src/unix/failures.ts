// From what the native side answers to errors that a person understands.

import { accessSync, constants, lstatSync } from 'node:fs'
import { dirname } from 'node:path'

import { errnoName, SocketError } from '../errors.js'
import type { Failure } from '../native.js'
import { type EncodedAddress, pathOf, showAddress } from './address.js'

const EACCES = 13

/** The value, or the error that stands in its place. */
export function unwrap<R extends object>(result: R, address?: EncodedAddress): Exclude<R, Failure> {
  if ('errno' in result && 'syscall' in result) throw failure(result as unknown as Failure, address)
  return result as Exclude<R, Failure>
}

export function failure({ errno, syscall, detail }: Failure, address?: EncodedAddress): SocketError {
  return new SocketError({
    errno,
    syscall,
    address: address && showAddress(address),
    explanation: explainAccess(errno, syscall, address) ?? detail ?? explain(errnoName(errno), syscall, address),
  })
}

/** The error of a call that answered a negated errno. */
export function errnoError(negated: number, syscall: string, address?: EncodedAddress): SocketError {
  return failure({ errno: -negated, syscall }, address)
}

/** Whether a connection is over, rather than one message refused. */
export function isTheEnd({ code }: SocketError): boolean {
  return ['EPIPE', 'ECONNRESET', 'ENOTCONN', 'ECONNREFUSED'].includes(code)
}

/** Whether only the message that met it cannot be sent: it is too large. */
export function concernsOneMessage({ code }: SocketError): boolean {
  return code === 'EMSGSIZE' || code === 'ENOBUFS'
}

function explain(code: string, syscall: string, address: EncodedAddress | undefined): string | undefined {
  const path = address && pathOf(address)
  switch (code) {
    case 'ECONNREFUSED':
      if (syscall.startsWith('send')) return 'no datagram socket is bound there any more, or none was'
      if (path === undefined) return 'nobody listens at this name'
      return isSocket(path)
        ? 'nobody listens there; the socket file is stale, or its owner does not listen yet'
        : 'this is not a socket file'
    case 'ENOENT':
      return path === undefined ? undefined : 'there is no such socket file'
    case 'EPROTOTYPE':
      return 'the socket there is of another type (stream, datagram or seqpacket)'
    case 'ENOTCONN':
      return syscall.startsWith('send')
        ? 'there is no destination: the socket is not connected (or no longer, since its peer is gone), and none was given'
        : undefined
    case 'EMSGSIZE':
      return syscall.startsWith('send') ? 'the message is longer than SO_SNDBUF of this socket allows (sendBuffer)' : undefined
    case 'ENOBUFS':
      return syscall.startsWith('send') ? 'the kernel has no memory for a message of this size (at most 4 MiB)' : undefined
    case 'EPIPE':
      return 'the peer no longer reads, or this side has shut writing down'
    case 'ESHUTDOWN':
      return 'reading was shut down (SHUT_RD): nothing will ever come'
    case 'ECONNRESET':
      return 'the peer closed without reading what it had been sent'
    case 'EADDRINUSE':
      return syscall === 'bind' || syscall === 'listen' ? 'another socket has this name' : undefined
    default:
      return undefined
  }
}

/** Which permission was missing: the first directory that may not be searched, its last one, or the file itself. */
function explainAccess(errno: number, syscall: string, address: EncodedAddress | undefined): string | undefined {
  const path = address && pathOf(address)
  if (errno !== EACCES || path === undefined) return undefined
  const whole = path.toString()
  const parents: string[] = []
  for (let folder = dirname(whole); ; folder = dirname(folder)) {
    parents.unshift(folder)
    if (folder === dirname(folder)) break
  }
  for (const folder of parents) {
    if (!may(folder, constants.X_OK)) return `no permission to search the directory ${folder} (x)`
  }
  return syscall === 'connect' || syscall.startsWith('send')
    ? 'no permission to write to the socket file (w), which connecting and sending need'
    : `no permission to create a name in ${dirname(whole)} (w)`
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}

function isSocket(path: Buffer): boolean {
  try {
    return lstatSync(path).isSocket()
  } catch {
    return false
  }
}
