export { SocketError } from '../errors.js'
export type { Closable } from '../handle.js'
export { type NetlinkBatchOptions, NetlinkClient, type NetlinkClientOptions } from './client.js'
export * from './constants.js'
export { NetlinkDatagram } from './datagram.js'
export { NetlinkDump, type NetlinkDumpOptions } from './dump.js'
export { enumeration, flags, type Enumeration, type Flags } from './enums.js'
export { NetlinkError, type NetlinkErrorDetails } from './error.js'
export type { NetlinkWaitOptions } from './exchange.js'
export {
  type Acknowledgement,
  type AttributePolicy,
  decodeDone,
  decodeError,
  type ExtendedAck,
  nameExtack,
  type RequestHeader,
} from './extack.js'
export {
  attributes,
  type Attributes,
  type AttributesInput,
  AttributeSet,
  message,
  MessageLayout,
} from './attributes.js'
export type { FilterInstruction } from './filter.js'
export { type AnyLayout, Layout } from './layout.js'
export { NetlinkFormatError } from './malformed.js'
export {
  encodeMessage,
  encodeMessages,
  MessageCursor,
  type NetlinkMessage,
  type ReceivedMessage,
  walkMessages,
} from './message.js'
export { NetlinkMessageBatch } from './message-batch.js'
export type { NetlinkOpenOptions, NetlinkSocketOptions } from './open.js'
export type { NetlinkRequestOptions } from './request.js'
export {
  type AttributeDefinition,
  type Bitfield32,
  type DecodedAttributes,
  type Definitions,
  type EncodableAttributes,
  type UnknownAttribute,
  unknownAttributes,
} from './schema.js'
export { type NetlinkMemory, type NetlinkSendOptions, NetlinkSocket } from './socket.js'
export { struct, Struct, trailingBytes } from './struct.js'
export { AttributeWriter } from './writer.js'
