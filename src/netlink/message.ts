import { integer, invalidType, outOfRange } from '../arguments.js'
import { asBuffer, readU16, readU32, writeU16, writeU32 } from './bytes.js'
import { align, NLMSG_HDRLEN } from './constants.js'
import { NetlinkFormatError } from './malformed.js'

/** One netlink header (`struct nlmsghdr`, netlink(7)) and what follows it. */
export interface NetlinkMessage {
  /** `nlmsg_type`, 16 bits: below `NLMSG_MIN_TYPE` (16) control messages, above what the protocol defines. */
  type: number
  /** `nlmsg_flags`, 16 bits of `NLM_F_*`; 0 when left out. */
  flags?: number
  /** `nlmsg_seq`, 32 bits; 0 when left out. */
  sequence?: number
  /** `nlmsg_pid`, 32 bits: the sender's port id; 0, which the kernel takes as well, when left out. */
  portId?: number
  /** Everything after the header, without the padding up to the next message. */
  payload: Uint8Array
}

/** A message that was received: every field is there, and the payload is a view into the datagram. */
export interface ReceivedMessage extends NetlinkMessage {
  /** `nlmsg_flags`. */
  flags: number
  /** `nlmsg_seq`. */
  sequence: number
  /** `nlmsg_pid`: whose request it answers. */
  portId: number
  /** What follows the header, without padding. */
  payload: Buffer
}

const U16 = 0xffff
const U32 = 0xffff_ffff

/**
 * Writes a header at `at`. `length` is `nlmsg_len`: the header's 16 bytes and the payload, **without** padding;
 * a length rounded up would make the receiver take the padding for payload.
 */
export function writeHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  sequence: number,
  portId: number,
): void {
  writeU32(bytes, at, length)
  writeU16(bytes, at + 4, type)
  writeU16(bytes, at + 6, flags)
  writeU32(bytes, at + 8, sequence)
  writeU32(bytes, at + 12, portId)
}

/** @throws TypeError, RangeError naming the field; `name` is only asked for then, for a batch has many messages */
export function checkMessage(message: NetlinkMessage, name: () => string): void {
  if (typeof message !== 'object' || message === null) {
    throw invalidType(name(), message, 'a message: { type, flags, sequence, portId, payload }')
  }
  const { type, flags = 0, sequence = 0, portId = 0, payload } = message
  if (!fits(type, U16)) integer(`${name()}.type`, type, 0, U16)
  if (!fits(flags, U16)) integer(`${name()}.flags`, flags, 0, U16)
  if (!fits(sequence, U32)) integer(`${name()}.sequence`, sequence, 0, U32)
  if (!fits(portId, U32)) integer(`${name()}.portId`, portId, 0, U32)
  if (!(payload instanceof Uint8Array)) throw invalidType(`${name()}.payload`, payload, 'a Uint8Array')
  if (payload.length > U32 - NLMSG_HDRLEN) {
    throw outOfRange(
      `${name()}.payload.length`,
      payload.length,
      `at most ${U32 - NLMSG_HDRLEN}, for nlmsg_len has 32 bits`,
    )
  }
}

function fits(value: unknown, most: number): boolean {
  return typeof value === 'number' && value >= 0 && value <= most && Number.isInteger(value)
}

/**
 * The bytes of one message, unpadded.
 * @throws TypeError (`ERR_INVALID_ARG_TYPE`), RangeError (`ERR_OUT_OF_RANGE`) naming the field that does not fit its width
 */
export function encodeMessage(message: NetlinkMessage): Buffer {
  return encodeMessages([message])
}

/**
 * The bytes of several messages for one datagram: zeroed padding to 4 bytes between them, none after the last.
 * @throws as `encodeMessage`, naming the message by its index
 */
export function encodeMessages(messages: readonly NetlinkMessage[]): Buffer {
  let total = 0
  for (let i = 0; i < messages.length; i++) {
    checkMessage(messages[i]!, () => messages.length === 1 ? 'message' : `messages[${i}]`)
    total = align(total) + NLMSG_HDRLEN + messages[i]!.payload.length
  }
  const bytes = Buffer.allocUnsafe(total)
  let at = 0
  for (const message of messages) {
    const start = align(at)
    bytes.fill(0, at, start)
    const length = NLMSG_HDRLEN + message.payload.length
    writeHeader(bytes, start, length, message.type, message.flags ?? 0, message.sequence ?? 0, message.portId ?? 0)
    bytes.set(message.payload, start + NLMSG_HDRLEN)
    at = start + length
  }
  return bytes
}

/**
 * Steps through the messages of a datagram without an object for each: what decoders of big dumps use.
 * After `next()` gave true the fields are those of the current message.
 */
export class MessageCursor {
  /** `nlmsg_type` of the current message. */
  type = 0
  /** `nlmsg_flags`. */
  flags = 0
  /** `nlmsg_seq`. */
  sequence = 0
  /** `nlmsg_pid`. */
  portId = 0
  /** Where the current message's header starts in `bytes`. */
  headerStart = 0
  /** Where its payload starts. */
  payloadStart = 0
  /** Where its payload ends, without padding. */
  payloadEnd = 0
  /** The datagram. */
  readonly bytes: Buffer
  /** Where the datagram ends in `bytes`. */
  readonly end: number
  #at: number

  /** The range is that of the datagram in `bytes`; by default all of it. */
  constructor(bytes: Uint8Array, start = 0, end = bytes?.length) {
    if (!(bytes instanceof Uint8Array)) throw invalidType('bytes', bytes, 'a Uint8Array')
    integer('end', end, 0, bytes.length)
    integer('start', start, 0, end)
    this.bytes = asBuffer(bytes)
    this.end = end
    this.#at = start
  }

  /** @internal Begins anew with another datagram; the range is the caller's to be sure of. */
  restart(bytes: Buffer, start: number, end: number): void {
    const self = this as { bytes: Buffer, end: number }
    self.bytes = bytes
    self.end = end
    this.#at = start
  }

  /**
   * Goes on to the next message; false at the end.
   * @throws NetlinkFormatError (`ERR_NETLINK_MALFORMED`) when what is left is shorter than a header, or claims
   *   to be shorter than its header or longer than what is left. There is no way to find a message after that one:
   *   every later call gives false.
   */
  next(): boolean {
    const bytes = this.bytes
    const at = this.#at
    const left = this.end - at
    if (left <= 0) return false
    if (left < NLMSG_HDRLEN) return this.#fail(`${left} bytes left, fewer than a header's ${NLMSG_HDRLEN}`, at, left)
    const length = readU32(bytes, at)
    if (length < NLMSG_HDRLEN)
      return this.#fail(`nlmsg_len is ${length}, less than its own header's ${NLMSG_HDRLEN}`, at, length)
    if (length > left) return this.#fail(`nlmsg_len is ${length}, but ${left} bytes are left`, at, length)
    this.type = readU16(bytes, at + 4)
    this.flags = readU16(bytes, at + 6)
    this.sequence = readU32(bytes, at + 8)
    this.portId = readU32(bytes, at + 12)
    this.headerStart = at
    this.payloadStart = at + NLMSG_HDRLEN
    this.payloadEnd = at + length
    // Aligned from the datagram's start, not the buffer's: a datagram may lie anywhere in it.
    this.#at = at + align(length)
    return true
  }

  #fail(what: string, offset: number, length: number): never {
    this.#at = this.end
    throw new NetlinkFormatError(what, offset, length)
  }
}

/**
 * The messages of a received datagram, one at a time and only as far as asked.
 * Payloads are views of `bytes`, not copies.
 *
 * Messages before a malformed one are given first; then comes a NetlinkFormatError (see `MessageCursor.next`).
 * An empty range has no messages.
 * @param start, end the datagram's place in `bytes`; by default all of it
 */
export function* walkMessages(
  bytes: Uint8Array,
  start = 0,
  end = bytes?.length,
): Generator<ReceivedMessage, void, undefined> {
  const cursor = new MessageCursor(bytes, start, end)
  while (cursor.next()) {
    yield {
      type: cursor.type,
      flags: cursor.flags,
      sequence: cursor.sequence,
      portId: cursor.portId,
      payload: cursor.bytes.subarray(cursor.payloadStart, cursor.payloadEnd),
    }
  }
}
