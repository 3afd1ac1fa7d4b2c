import { type ReceivedMessage, walkMessages } from './message.js'

/** What came with a datagram. */
export interface DatagramDetails {
  from: number
  group: number
  namespaceId: number | null
  length: number
  truncated: boolean
  overrun: boolean
}

/** One received datagram: usually netlink messages, but any bytes where no kernel is involved. */
export class NetlinkDatagram {
  /** The bytes, which are yours: nothing is written there again. */
  readonly data: Buffer
  /** The sender's port id, 0 for the kernel: what the kernel vouches for, unlike the `portId` of a message. */
  readonly from: number
  /** The group it was multicast to, 0 for unicast. What goes to a group and a port at once has it in both copies. */
  readonly group: number
  /** The network namespace it comes from, as the id it has in the socket's own; null for the socket's own. */
  readonly namespaceId: number | null
  /** How many bytes the sender sent. */
  readonly length: number
  /** Whether the kernel cut it short: `data` is the beginning, the rest is gone. */
  readonly truncated: boolean
  /**
   * Whether datagrams were lost before this one, which is empty and only says so; nothing after it is missing. Always
   * false unless the socket was opened with `onOverrun: 'mark'`.
   */
  readonly overrun: boolean

  /** @internal */
  constructor(data: Buffer, details: DatagramDetails) {
    this.data = data
    this.from = details.from
    this.group = details.group
    this.namespaceId = details.namespaceId
    this.length = details.length
    this.truncated = details.truncated
    this.overrun = details.overrun
  }

  /**
   * The netlink messages in it; their payloads are views of `data`.
   * Messages before a malformed one come first, then a `NetlinkFormatError` (`ERR_NETLINK_MALFORMED`).
   */
  messages(): IterableIterator<ReceivedMessage> {
    return walkMessages(this.data)
  }
}

const nothing = Buffer.alloc(0)

/** Stands where datagrams were lost. */
export function overrunMark(): NetlinkDatagram {
  return new NetlinkDatagram(nothing, {
    from: 0, group: 0, namespaceId: null, length: 0, truncated: false, overrun: true,
  })
}
