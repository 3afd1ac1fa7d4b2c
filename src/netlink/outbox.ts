// Where requests are put together: the kernel copies what it is sent, so one buffer serves every client of a thread.

import { align, NLMSG_HDRLEN } from './constants.js'
import { type NetlinkMessage, writeHeader } from './message.js'

let bytes = Buffer.alloc(0)
const SMALLEST = 64 * 1024

/** Room for `length` bytes, all of them at the start of the answer. */
export function outbox(length: number): Buffer {
  if (bytes.length < length) bytes = Buffer.allocUnsafeSlow(Math.max(SMALLEST, length * 2))
  return bytes
}

/** Bytes that a message takes up, without padding behind it. */
export function messageLength(message: NetlinkMessage): number {
  return NLMSG_HDRLEN + message.payload.length
}

/** Writes a message at `at`, a multiple of 4, with the padding up to the next; answers where it ends without it. */
export function writeMessage(into: Buffer, at: number, message: NetlinkMessage, flags: number, sequence: number, portId: number): number {
  const { payload } = message
  const length = NLMSG_HDRLEN + payload.length
  const end = at + length
  const stop = align(end)
  // Zeroes where padding will be, whatever was sent from here before.
  for (let i = end; i < stop; i++) into[i] = 0
  writeHeader(into, at, length, message.type, flags, sequence, portId)
  // Moving a few bytes by hand is cheaper than the call.
  if (payload.length <= 48) for (let i = 0, to = at + NLMSG_HDRLEN; i < payload.length; i++) into[to + i] = payload[i] as number
  else into.set(payload, at + NLMSG_HDRLEN)
  return end
}
