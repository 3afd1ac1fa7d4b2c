// Service activation: descriptors that a service manager opened before this process began (sd_listen_fds(3)).

import type { Socket as UdpSocket } from 'node:dgram'
import type { Server, Socket } from 'node:net'

import * as check from '../arguments.js'
import { SocketError } from '../errors.js'
import { native } from '../native.js'
import { DescriptorFile } from './descriptor-file.js'
import { type AnyUnixSocket, describe, netServerFromFd, netSocketFromFd, socketFromFd } from './descriptors.js'
import { failure } from './failures.js'

const FIRST_DESCRIPTOR = 3
const MOST_DESCRIPTORS = 0xffff
const EINVAL = 22
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const

/** What to take from the environment. */
export interface ActivationOptions {
  /**
   * Remove the variables, so that programs started from here do not take the descriptors for theirs, and a second call
   * finds none. Default true.
   */
  unsetEnvironment?: boolean
}

/** A descriptor that was passed, which is the caller's. */
export interface ActivatedDescriptor {
  /** `FileDescriptorName=` of systemd.socket(5): by default the socket unit's name; 'connection' with `Accept=yes`. */
  name: string
  fd: number
}

/**
 * What an activated descriptor has become: a listener, a socket that is connected already (`Accept=yes`, inetd), a
 * `net.Server`, `net.Socket` or `dgram.Socket` for IP, a file for pipes and devices.
 */
export type Activated = AnyUnixSocket | Server | Socket | UdpSocket | DescriptorFile

/** One descriptor that the service manager passed, as the object that fits it. */
export interface ActivatedListener extends ActivatedDescriptor {
  /** Null for a socket of a family for which there is no object here, such as netlink or vsock: `fd` is yours then. */
  listener: Activated | null
}

/** The descriptors that were passed to this process, closed on exec from here on; none when it was not activated. */
function descriptors(given?: ActivationOptions): ActivatedDescriptor[] {
  const unset = check.bool('options.unsetEnvironment', check.options('options', given).unsetEnvironment, true)
  // Passed to another process, such as a shell that started this one.
  if (number('LISTEN_PID', 1, 0x7fff_ffff) !== process.pid) return []
  const count = number('LISTEN_FDS', 0, MOST_DESCRIPTORS) ?? 0
  const names = namesOf(count)
  for (let index = 0; index < count; index++) {
    const failed = native.closeOnExec(FIRST_DESCRIPTOR + index)
    if (failed !== null) throw failure(failed)
  }
  if (unset) for (const variable of VARIABLES) delete process.env[variable]
  return names.map((name, index) => ({ name, fd: FIRST_DESCRIPTOR + index }))
}

/**
 * The same, each made the object that fits its family, type and state. No name is ever unlinked: it is the service
 * manager's. Give a `net.Server` its handlers in the same turn of the event loop, for it listens already. For `http` and its
 * like take `descriptors()`: `createServer().listen({ fd })`.
 *
 * Errors: `ERR_INVALID_ARG_VALUE` (a variable makes no sense), `EBADF` (it promises a descriptor that is not open), `EINVAL`
 * (a stream that neither listens nor is connected). The variables stay as they were then, and so do the descriptors.
 */
function listeners(given?: ActivationOptions): ActivatedListener[] {
  const unset = check.bool('options.unsetEnvironment', check.options('options', given).unsetEnvironment, true)
  const found = descriptors({ unsetEnvironment: false })
  for (const { fd, name } of found) refuseUseless(fd, name)
  const activated = found.map(({ name, fd }) => ({ name, fd, listener: objectOf(fd) }))
  if (unset && found.length > 0) for (const variable of VARIABLES) delete process.env[variable]
  return activated
}

/**
 * The socket on standard input, as inetd passes it: one that listens (`wait`) or that is connected (`nowait`). Its place is
 * taken by `/dev/null`, and so are those of standard output and standard error where they are the same socket, so that
 * `console.log()` does not speak to the peer and closing the object closes the connection. Do not touch `process.stdin`
 * before.
 *
 * Errors: `ENOTSOCK` (standard input is no socket), `EINVAL` (as above), `EAFNOSUPPORT` (a family without an object here).
 */
function inetd(): Exclude<Activated, DescriptorFile> {
  const found = describe(0)
  if (found.kind !== 'socket') {
    throw new SocketError({ errno: 88, syscall: 'getsockopt', explanation: `standard input is no socket: ${found.kind}` })
  }
  refuseUseless(0, 'standard input')
  if (found.domain !== 'AF_UNIX' && !isIp(found.domain)) {
    throw new SocketError({ errno: 97, syscall: 'getsockopt', explanation: `standard input is a socket of ${found.domain}` })
  }
  const fd = native.takeStandardInput()
  if (typeof fd !== 'number') throw failure(fd)
  return objectOf(fd) as Exclude<Activated, DescriptorFile>
}

/** Service activation, as systemd (`LISTEN_FDS`, sd_listen_fds(3)) and inetd do it. Call it once, on the main thread. */
export const activation = Object.freeze({ descriptors, listeners, inetd })

function objectOf(fd: number): Activated | null {
  const found = describe(fd)
  if (found.kind !== 'socket') return DescriptorFile.fromFd(fd)
  if (found.domain === 'AF_UNIX') return socketFromFd(fd)
  if (!isIp(found.domain)) return null
  if (found.type === 'SOCK_STREAM') return found.listening ? netServerFromFd(fd) : netSocketFromFd(fd)
  if (found.type !== 'SOCK_DGRAM') return null
  const { createSocket } = process.getBuiltinModule('node:dgram')
  return createSocket(found.domain === 'AF_INET' ? 'udp4' : 'udp6').bind({ fd })
}

function refuseUseless(fd: number, name: string): void {
  const found = describe(fd)
  if (found.kind !== 'socket' || found.listening || found.connected) return
  if (found.type === 'SOCK_STREAM' || found.type === 'SOCK_SEQPACKET') {
    throw new SocketError({
      errno: EINVAL, syscall: 'getsockopt',
      explanation: `descriptor ${fd} (${name}) is a ${found.type} socket that neither listens nor is connected`,
    })
  }
}

function isIp(domain: string | number): boolean {
  return domain === 'AF_INET' || domain === 'AF_INET6'
}

function number(variable: string, least: number, most: number): number | undefined {
  const value = process.env[variable]
  if (value === undefined) return undefined
  const parsed = /^\d+$/.test(value) ? Number(value) : -1
  if (parsed < least || parsed > most) {
    throw check.invalidValue(variable, value, `a number from ${least} to ${most}`)
  }
  return parsed
}

function namesOf(count: number): string[] {
  const value = process.env['LISTEN_FDNAMES']
  if (value === undefined) return Array.from({ length: count }, () => 'unknown')
  const names = count === 0 && value === '' ? [] : value.split(':')
  if (names.length !== count) {
    throw check.invalidValue('LISTEN_FDNAMES', value, `as many names as LISTEN_FDS says, ${count}, with colons between`)
  }
  return names
}
