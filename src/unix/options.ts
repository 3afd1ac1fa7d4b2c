// Socket options, under the names that socket(7) and unix(7) give them.

import * as check from '../arguments.js'
import { closedError } from '../errors.js'
import { native } from '../native.js'
import { failure } from './failures.js'

/** The kernel doubles what it is given, in an `int`. */
const LARGEST_BUFFER = 0x3fff_ffff
const LARGEST_OFFSET = 0x7fff_ffff

/**
 * The options of one socket: properties that ask and set the kernel each time (getsockopt(2), setsockopt(2)).
 *
 * Errors: `ENOPROTOOPT` for an option that the running kernel lacks, which `features()` tells beforehand;
 * `ERR_SOCKET_CLOSED`; `TypeError` and `RangeError` for values that the option does not take.
 */
export class SocketOptions {
  readonly #socket: { readonly fd: number }

  /** @internal */
  constructor(socket: { readonly fd: number }) {
    this.#socket = socket
  }

  /**
   * How much may be on its way from this socket, in bytes, and so the limit of one message. Reads as twice what was set:
   * the kernel counts its own bookkeeping, too. It caps what is set at `net.core.wmem_max`, silently, unless the process
   * has `CAP_NET_ADMIN`, and raises it to its least.
   */
  get SO_SNDBUF(): number {
    return this.#get('SO_SNDBUF')
  }

  set SO_SNDBUF(bytes: number) {
    this.#set('SO_SNDBUF', check.integer('SO_SNDBUF', bytes, 0, LARGEST_BUFFER))
  }

  /**
   * As for `SO_SNDBUF`, with `net.core.rmem_max`. AF_UNIX keeps it and does not use it: what is unread counts against the
   * sender's buffer.
   */
  get SO_RCVBUF(): number {
    return this.#get('SO_RCVBUF')
  }

  set SO_RCVBUF(bytes: number) {
    this.#set('SO_RCVBUF', check.integer('SO_RCVBUF', bytes, 0, LARGEST_BUFFER))
  }

  /**
   * Every message comes with its sender's pid, uid and gid. Accepted sockets inherit it. A socket without a name gets an
   * abstract one by this when it connects or sends.
   */
  get SO_PASSCRED(): boolean {
    return this.#get('SO_PASSCRED') !== 0
  }

  set SO_PASSCRED(on: boolean) {
    this.#setFlag('SO_PASSCRED', on)
  }

  /** Every message comes with a descriptor of its sender's process. Linux 6.5. */
  get SO_PASSPIDFD(): boolean {
    return this.#get('SO_PASSPIDFD') !== 0
  }

  set SO_PASSPIDFD(on: boolean) {
    this.#setFlag('SO_PASSPIDFD', on)
  }

  /** Every message comes with its sender's security label, where a security module has labels. */
  get SO_PASSSEC(): boolean {
    return this.#get('SO_PASSSEC') !== 0
  }

  set SO_PASSSEC(on: boolean) {
    this.#setFlag('SO_PASSSEC', on)
  }

  /**
   * Whether descriptors may be sent here; true unless it was changed. With false, whoever tries gets `EPERM`. Accepted
   * sockets inherit it. Linux 6.16.
   */
  get SO_PASSRIGHTS(): boolean {
    return this.#get('SO_PASSRIGHTS') !== 0
  }

  set SO_PASSRIGHTS(on: boolean) {
    this.#setFlag('SO_PASSRIGHTS', on)
  }

  /** Where the next peek begins, in bytes; -1, the default, when it always begins at the front. Reading moves it back. */
  get SO_PEEK_OFF(): number {
    return this.#get('SO_PEEK_OFF')
  }

  set SO_PEEK_OFF(bytes: number) {
    this.#set('SO_PEEK_OFF', check.integer('SO_PEEK_OFF', bytes, -1, LARGEST_OFFSET))
  }

  /** The address family: 1 is AF_UNIX. */
  get SO_DOMAIN(): number {
    return this.#get('SO_DOMAIN')
  }

  /** The type: 1 is a stream, 2 datagram, 5 seqpacket. */
  get SO_TYPE(): number {
    return this.#get('SO_TYPE')
  }

  /** The protocol: 0 for every AF_UNIX socket. */
  get SO_PROTOCOL(): number {
    return this.#get('SO_PROTOCOL')
  }

  /** Whether the socket listens. */
  get SO_ACCEPTCONN(): boolean {
    return this.#get('SO_ACCEPTCONN') !== 0
  }

  /** Unread bytes in the kernel; on a datagram socket those of the next message. `EINVAL` for a listener. */
  get SIOCINQ(): number {
    return this.#get('SIOCINQ')
  }

  /**
   * Memory that what was sent from here and not read yet takes, in bytes, with the kernel's bookkeeping: sending waits
   * when it reaches `SO_SNDBUF`.
   */
  get SIOCOUTQ(): number {
    return this.#get('SIOCOUTQ')
  }

  #get(name: string): number {
    const value = native.getSocketOption(this.#open(name), name)
    if (typeof value === 'number') return value
    throw failure(value)
  }

  #set(name: string, value: number): void {
    const failed = native.setSocketOption(this.#open(name), name, value)
    if (failed !== null) throw failure(failed)
  }

  #setFlag(name: string, on: boolean): void {
    this.#set(name, check.bool(name, on) ? 1 : 0)
  }

  #open(name: string): number {
    const { fd } = this.#socket
    if (fd < 0) throw closedError(name.startsWith('SIOC') ? 'ioctl' : 'getsockopt', 'socket')
    return fd
  }
}
