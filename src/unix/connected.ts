// What the stream and the seqpacket socket have in common: a peer, two directions, two addresses.

import * as check from '../arguments.js'
import { Handle } from '../handle.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { decodeAddress, type EncodedAddress, type UnixAddress } from './address.js'
import type { ConnectedType } from './connect.js'
import { errnoError, failure, unwrap } from './failures.js'
import { SocketOptions } from './options.js'
import { type Peer, peerOf } from './peer.js'

const EPIPE = 32
const HOW = { read: 0, write: 1, both: 2 } as const

/** A connected socket, of either connected type. */
export abstract class Connected extends Handle<Native.UnixSocket> {
  readonly #remote: EncodedAddress | undefined
  #peer: Peer | null | undefined

  /** @internal `remote`: the name that was connected to, which `getpeername` would not show after a takeover. */
  protected constructor(socket: Native.UnixSocket, slot: number, remote?: EncodedAddress) {
    super(socket, slot)
    this.#remote = remote
  }

  /** This end's address; `{ unnamed: true }` unless it was bound. */
  get localAddress(): UnixAddress {
    this.assertOpen('getsockname')
    return decodeAddress(unwrap(this.native.localAddress()))
  }

  /** The peer's address: the listener's name on the connecting side. */
  get remoteAddress(): UnixAddress {
    this.assertOpen('getpeername')
    return decodeAddress(this.#remote ?? unwrap(this.native.remoteAddress()))
  }

  /** Socket options, by the names of socket(7) and unix(7). */
  get options(): SocketOptions {
    return new SocketOptions(this)
  }

  /** Who is at the other end, or null where the kernel knows nobody. Asked for once, and remembered. */
  get peer(): Peer | null {
    if (this.#peer === undefined) {
      this.assertOpen('getsockopt')
      this.#peer = peerOf(this.native, (syscall) => this.assertOpen(syscall))
    }
    return this.#peer
  }

  /**
   * Ends one or both directions (shutdown(2)). `'write'`, the default: what was sent goes out first, then the peer reads
   * the end. `'read'`: the peer's writes fail with `EPIPE`.
   */
  shutdown(how: 'read' | 'write' | 'both' = 'write'): void {
    this.assertOpen('shutdown')
    const number = HOW[check.oneOf('how', how, ['read', 'write', 'both'] as const)]
    if (how !== 'read') {
      const draining = this.drained(() => errnoError(-EPIPE, 'write'))
      if (draining !== undefined) {
        // What waits for the peer to read is followed by the end, not cut off by it.
        draining.then(() => { if (this.isOpen) this.native.shutdown(HOW.write) }, () => {})
        if (how === 'both') this.#shutdown(HOW.read)
        return
      }
    }
    this.#shutdown(number)
  }

  /** @internal */
  protected override referenced(on: boolean): void {
    this.native.reference(on)
  }

  #shutdown(how: number): void {
    const failed = this.native.shutdown(how)
    if (failed !== null) throw failure(failed)
  }
}

/** Two connected native sockets. */
export function openPair(type: number): [Opened, Opened] {
  const slots = [reserveSlot(), reserveSlot()] as const
  try {
    const [left, right] = unwrap(native.UnixSocket.pair(eventLoop, type, ...slots))
    return [{ native: left as Native.UnixSocket, slot: slots[0] }, { native: right as Native.UnixSocket, slot: slots[1] }]
  } catch (error) {
    slots.forEach(giveBack)
    throw error
  }
}

/** A native socket made of a descriptor, which is the caller's again if that fails. */
export function adoptSocket(type: ConnectedType | 2, fd: number): Opened {
  check.descriptor('fd', fd)
  const slot = reserveSlot()
  try {
    return { native: unwrap(native.UnixSocket.adopt(eventLoop, slot, type, fd)), slot }
  } catch (error) {
    giveBack(slot)
    throw error
  }
}

export interface Opened {
  native: Native.UnixSocket
  slot: number
}
