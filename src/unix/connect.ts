// Connecting, with a time limit and a signal, also to a listener whose backlog is full.

import { setTimeout as delay } from 'node:timers/promises'

import * as check from '../arguments.js'
import { timeoutError } from '../errors.js'
import { eventLoop, giveBack, reserveSlot } from '../loop.js'
import { type Native, native } from '../native.js'
import { encodeAddress, type EncodedAddress, showAddress, type UnixAddressLike } from './address.js'
import { receiveOptions, type ReceiveOptions } from './ancillary.js'
import { failure, unwrap } from './failures.js'

/** How to connect. */
export interface ConnectOptions extends ReceiveOptions {
  /** Milliseconds until `ETIMEDOUT`; default: as long as it takes. */
  timeout?: number
  /** Aborts the connecting with the signal's reason. */
  signal?: AbortSignal
  /** A name for this end, or 'auto' for an abstract one that the kernel chooses; default: none. */
  bind?: UnixAddressLike | 'auto'
  /** Microseconds that `read()` tries before it waits: costs a busy core, saves a wake; default 0. */
  busyPoll?: number
}

/** `SOCK_STREAM` and `SOCK_SEQPACKET` of socket(2). */
export type ConnectedType = 1 | 5

const LONGEST_DELAY = 50

export interface Connected {
  native: Native.UnixSocket
  slot: number
  address: EncodedAddress
}

/** A connected socket. Without room in the backlog there is no event to wait for, so it tries again, ever later. */
export async function connect(type: ConnectedType, to: UnixAddressLike, given: ConnectOptions | undefined): Promise<Connected> {
  const address = encodeAddress('address', to)
  const options = check.options('options', given)
  const timeout = options.timeout === undefined ? Infinity : check.milliseconds('options.timeout', options.timeout)
  const busyPoll = options.busyPoll === undefined ? 0 : check.integer('options.busyPoll', options.busyPoll, 0, 1_000_000)
  const signal = check.signal('options.signal', options.signal)
  const bind = encodeBind(options.bind)
  const receive = receiveOptions(options)
  signal?.throwIfAborted()
  const deadline = performance.now() + timeout
  const connecting = unwrap(native.UnixConnecting.open(type, bind, receive), bind?.length === 0 ? undefined : bind)
  const slot = reserveSlot()
  try {
    for (let wait = 1; ; wait = Math.min(wait * 2, LONGEST_DELAY)) {
      const attempt = connecting.attempt(eventLoop, slot, address)
      if (attempt !== null) {
        if ('syscall' in attempt) throw failure(attempt, address)
        if (busyPoll > 0) attempt.busyPoll(busyPoll)
        return { native: attempt, slot, address }
      }
      const left = deadline - performance.now()
      if (left <= 0) throw timeoutError('connect', timeout, showAddress(address), 'the listener\'s backlog is full')
      await delay(Math.min(wait, left), undefined, signal && { signal }).catch((error: unknown) => {
        throw signal?.aborted === true ? signal.reason : error
      })
    }
  } catch (error) {
    giveBack(slot)
    connecting.close()
    throw error
  }
}

/** `undefined` for no name, empty for the kernel's choice. */
function encodeBind(bind: unknown): Buffer | undefined {
  if (bind === undefined) return undefined
  if (bind === 'auto') return Buffer.alloc(0)
  return encodeAddress('options.bind', bind as UnixAddressLike)
}
