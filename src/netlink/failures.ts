// From what the native side answers to errors that a person understands.

import { SocketError } from '../errors.js'
import type { Failure } from '../native.js'

/** The value, or the error that stands in its place. */
export function unwrap<R>(result: R): Exclude<R, Failure> {
  if (typeof result === 'object' && result !== null && 'errno' in result && 'syscall' in result) {
    throw failure(result as unknown as Failure)
  }
  return result as Exclude<R, Failure>
}

export function failure({ errno, syscall, detail }: Failure): SocketError {
  return new SocketError({ errno, syscall, explanation: detail })
}

/** Why receiving failed, of which an overrun is the only reason to go on. */
export function receiveError(errno: number): SocketError {
  return new SocketError({ errno, syscall: 'recvmsg', explanation: errno === ENOBUFS ? overrun : undefined })
}

export const ENOBUFS = 105

const overrun = 'the receive buffer was full and datagrams were lost, after those that are still to be received'
