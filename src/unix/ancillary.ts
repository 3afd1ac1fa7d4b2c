// What goes and comes beside the bytes: descriptors, credentials, and the options that let it in.

import * as check from '../arguments.js'
import type { Native } from '../native.js'
import { failure } from './failures.js'

/** Who sends a message (`SCM_CREDENTIALS` of unix(7)), in numbers of the reader's own namespaces. */
export interface Credentials {
  /** The process. */
  pid: number
  /** The user: real, effective or saved, unless privileged. */
  uid: number
  /** The group; likewise. */
  gid: number
}

/** What a socket lets in beside the bytes, and how much may be on its way. */
export interface ReceiveOptions {
  /**
   * Every message comes with its sender's pid, uid and gid (`SO_PASSCRED`). Default false. The kernel fills them in, or
   * checks what the sender claims; a privileged sender (`CAP_SYS_ADMIN`, `CAP_SETUID`, `CAP_SETGID`) may claim anything.
   * A socket without a name gets an abstract one by this when it connects or sends.
   */
  passCredentials?: boolean
  /** Every message comes with a descriptor of its sender's process (`SO_PASSPIDFD`, Linux 6.5). Default false. */
  passPidfd?: boolean
  /**
   * Every message comes with its sender's security label (`SO_PASSSEC`). Default false. On a stream the kernel tells it
   * only with `passCredentials` (`unix_stream_read_generic` of net/unix/af_unix.c).
   */
  passSecurity?: boolean
  /**
   * Whether descriptors may be sent here (`SO_PASSRIGHTS`, Linux 6.16). Default true; with false, whoever tries gets
   * `EPERM`.
   */
  passRights?: boolean
  /** Datagram and seqpacket messages come with the time at which they were sent (`SO_TIMESTAMPNS`). Default false. */
  timestamps?: boolean
  /** `SO_RCVBUF` in bytes. AF_UNIX does not use it: what is unread counts against the sender. */
  receiveBuffer?: number
  /**
   * `SO_SNDBUF` in bytes: how much may be on its way from here, and the limit of one message. The kernel doubles it and
   * caps it at `net.core.wmem_max`, silently, unless the process has `CAP_NET_ADMIN`.
   */
  sendBuffer?: number
}

/** The most descriptors that one message carries (`SCM_MAX_FD`). */
export const MOST_DESCRIPTORS = 253
const MOST_DESCRIPTOR = 0x7fff_ffff
const MOST_BYTES = 0x3fff_ffff
const NONE: readonly number[] = Object.freeze([])
const FLAGS = ['passCredentials', 'passPidfd', 'passSecurity', 'passRights', 'timestamps'] as const
const SIZES = ['receiveBuffer', 'sendBuffer'] as const

/** Checks those of some options that are about receiving. */
export function receiveOptions(options: ReceiveOptions): Native.UnixReceiveOptions {
  const checked: Native.UnixReceiveOptions = {}
  for (const name of FLAGS) {
    if (options[name] !== undefined) checked[name] = check.bool(`options.${name}`, options[name])
  }
  for (const name of SIZES) {
    if (options[name] !== undefined) checked[name] = check.integer(`options.${name}`, options[name], 1, MOST_BYTES)
  }
  return checked
}

/** Sets options of a socket that is open already. */
function configure(socket: Native.UnixSocket, options: Native.UnixReceiveOptions): void {
  for (const _ in options) {
    const failed = socket.configure(options)
    if (failed !== null) throw failure(failed)
    return
  }
}

/** The same for sockets made just now, which are closed when it fails. */
export function configureOrClose(
  all: { close(): Promise<void> }[], socket: Native.UnixSocket, receive: Native.UnixReceiveOptions,
): void {
  try {
    configure(socket, receive)
  } catch (error) {
    for (const one of all) void one.close()
    throw error
  }
}

/** The same for an adopted descriptor, which is the caller's again when it fails. */
export function configureOrGiveBack(
  adopted: { detach(): number }, socket: Native.UnixSocket, receive: Native.UnixReceiveOptions,
): void {
  try {
    configure(socket, receive)
  } catch (error) {
    adopted.detach()
    throw error
  }
}

/** Descriptors to send. */
export function descriptors(name: string, value: unknown): readonly number[] {
  if (value === undefined) return NONE
  if (!Array.isArray(value)) throw check.invalidType(name, value, 'an array of descriptors')
  if (value.length > MOST_DESCRIPTORS) {
    throw check.outOfRange(`${name}.length`, value.length, `at most ${MOST_DESCRIPTORS}, as many as one message carries`)
  }
  for (let index = 0; index < value.length; index++) {
    const fd: unknown = value[index]
    // The name is written out only for a message: it would cost more than sending does.
    if ((fd as number) >>> 0 !== fd || fd > MOST_DESCRIPTOR) check.descriptor(`${name}[${index}]`, fd)
  }
  return value as number[]
}

/** Credentials to send: `true` for one's own. */
export function credentials(name: string, value: unknown): Credentials | undefined {
  if (value === undefined) return undefined
  if (value === true) {
    return { pid: process.pid, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  }
  if (typeof value !== 'object' || value === null) throw check.invalidType(name, value, 'true, or { pid, uid, gid }')
  const { pid, uid, gid } = value as Partial<Credentials>
  return {
    pid: check.integer(`${name}.pid`, pid, 1, 0x7fff_ffff),
    uid: check.integer(`${name}.uid`, uid, 0, 0xffff_fffe),
    gid: check.integer(`${name}.gid`, gid, 0, 0xffff_fffe),
  }
}
