import { type Attributes, attributes } from './attributes.js'
import { asBuffer, readS32, readU16, readU32 } from './bytes.js'
import { attributeEnd } from './codec.js'
import { enumeration } from './enums.js'
import {
  align,
  NL_POLICY_TYPE_ATTR_TYPE,
  NL_POLICY_TYPE_ATTR_MIN_VALUE_S,
  NL_POLICY_TYPE_ATTR_MAX_VALUE_S,
  NL_POLICY_TYPE_ATTR_MIN_VALUE_U,
  NL_POLICY_TYPE_ATTR_MAX_VALUE_U,
  NL_POLICY_TYPE_ATTR_MIN_LENGTH,
  NL_POLICY_TYPE_ATTR_MAX_LENGTH,
  NL_POLICY_TYPE_ATTR_POLICY_IDX,
  NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE,
  NL_POLICY_TYPE_ATTR_BITFIELD32_MASK,
  NL_POLICY_TYPE_ATTR_PAD,
  NL_POLICY_TYPE_ATTR_MASK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_HDRLEN,
  NLMSGERR_ATTR_COOKIE,
  NLMSGERR_ATTR_MISS_NEST,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  NLMSGERR_ATTR_POLICY,
} from './constants.js'
import type { AnyLayout } from './layout.js'
import { locateAttribute } from './locate.js'
import { MalformedAttribute, NetlinkFormatError } from './malformed.js'

// Source: netlink_ack(), netlink_dump_done() in net/netlink/af_netlink.c; uapi/linux/netlink.h.

const policyTypes = enumeration('netlink_attribute_type', {
  invalid: 0,
  flag: 1,
  u8: 2,
  u16: 3,
  u32: 4,
  u64: 5,
  s8: 6,
  s16: 7,
  s32: 8,
  s64: 9,
  binary: 10,
  string: 11,
  nulString: 12,
  nested: 13,
  nestedArray: 14,
  bitfield32: 15,
  sint: 16,
  uint: 17,
})

const Policy = attributes('policy', {
  type: { id: NL_POLICY_TYPE_ATTR_TYPE, type: 'u32', enum: policyTypes },
  minValueSigned: { id: NL_POLICY_TYPE_ATTR_MIN_VALUE_S, type: 's64' },
  maxValueSigned: { id: NL_POLICY_TYPE_ATTR_MAX_VALUE_S, type: 's64' },
  minValueUnsigned: { id: NL_POLICY_TYPE_ATTR_MIN_VALUE_U, type: 'u64' },
  maxValueUnsigned: { id: NL_POLICY_TYPE_ATTR_MAX_VALUE_U, type: 'u64' },
  minLength: { id: NL_POLICY_TYPE_ATTR_MIN_LENGTH, type: 'u32' },
  maxLength: { id: NL_POLICY_TYPE_ATTR_MAX_LENGTH, type: 'u32' },
  policyIndex: { id: NL_POLICY_TYPE_ATTR_POLICY_IDX, type: 'u32' },
  policyMaxType: { id: NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE, type: 'u32' },
  bitfield32Mask: { id: NL_POLICY_TYPE_ATTR_BITFIELD32_MASK, type: 'u32' },
  pad: { id: NL_POLICY_TYPE_ATTR_PAD, type: 'pad' },
  mask: { id: NL_POLICY_TYPE_ATTR_MASK, type: 'u64' },
})

const Tlvs = attributes('extack', {
  message: { id: NLMSGERR_ATTR_MSG, type: 'string' },
  offset: { id: NLMSGERR_ATTR_OFFS, type: 'u32' },
  cookie: { id: NLMSGERR_ATTR_COOKIE, type: 'binary' },
  policy: { id: NLMSGERR_ATTR_POLICY, type: 'nested', of: Policy },
  missingType: { id: NLMSGERR_ATTR_MISS_TYPE, type: 'u32' },
  missingNest: { id: NLMSGERR_ATTR_MISS_NEST, type: 'u32' },
})

/** What the kernel would have accepted for the attribute it rejected. */
export type AttributePolicy = Attributes<typeof Policy>

/** An extended acknowledgement: what the kernel says beside an errno. Fields it did not send are not there. */
export interface ExtendedAck extends Attributes<typeof Tlvs> {
  /** The path of the attribute at `offset` ('linkinfo.data.id'), where the request's types are known. */
  attribute?: string
  /** The path of the attribute that was missing, where the request's types are known. */
  missingName?: string
  /** What was no attribute, from the first malformed byte on. Only a broken peer sends that; the errno is still right. */
  unparsed?: Buffer
}

/** The header of the request an acknowledgement answers. */
export interface RequestHeader {
  /** `nlmsg_len`: header and payload, without padding. */
  length: number
  /** `nlmsg_type`. */
  type: number
  /** `nlmsg_flags`. */
  flags: number
  /** `nlmsg_seq`. */
  sequence: number
  /** `nlmsg_pid`. */
  portId: number
}

/** An `NLMSG_ERROR` or `NLMSG_DONE`, decoded. */
export interface Acknowledgement {
  /** Positive as in errno(3), 0 for success. */
  errno: number
  /** The request's header, from an `NLMSG_ERROR` that has one; `NLMSG_DONE` never does. */
  request: RequestHeader | null
  /** What followed the request's header, when the kernel sent it back: on failure, without `NETLINK_CAP_ACK`. */
  echoed: Buffer | null
  /** What the kernel said beside the errno, if anything. */
  extack: ExtendedAck | null
}

/**
 * Decodes the payload of an `NLMSG_ERROR`, which says success as well (errno 0).
 * @param flags the `nlmsg_flags` it came with: they say whether the request is capped and TLVs follow
 * @throws NetlinkFormatError when there are fewer than the errno's 4 bytes
 */
export function decodeError(payload: Uint8Array, flags: number): Acknowledgement {
  const bytes = asBuffer(payload)
  if (bytes.length < 4)
    throw new NetlinkFormatError(`an NLMSG_ERROR of ${bytes.length} bytes, fewer than its errno's 4`, 0, bytes.length)
  const errno = Math.abs(readS32(bytes, 0))
  const echo = 4 + NLMSG_HDRLEN
  if (bytes.length < echo) return { errno, request: null, echoed: null, extack: null }
  const length = readU32(bytes, 4)
  const request = {
    length,
    type: readU16(bytes, 8),
    flags: readU16(bytes, 10),
    sequence: readU32(bytes, 12),
    portId: readU32(bytes, 16),
  }
  if ((flags & NLM_F_CAPPED) !== 0) return { errno, request, echoed: null, extack: decodeTlvs(bytes, echo, flags) }
  // A length no request can have: where the TLVs start is anyone's guess, so all that is there counts as the echo.
  const end = length < NLMSG_HDRLEN ? bytes.length : Math.min(bytes.length, 4 + length)
  return {
    errno,
    request,
    echoed: Buffer.from(bytes.subarray(echo, end)),
    extack: decodeTlvs(bytes, align(end), flags),
  }
}

/**
 * Decodes the payload of an `NLMSG_DONE`: the dump's errno, and TLVs right after it.
 * Some families (team) end with a bare header; that is success.
 */
export function decodeDone(payload: Uint8Array, flags: number): Acknowledgement {
  const bytes = asBuffer(payload)
  if (bytes.length < 4) return { errno: 0, request: null, echoed: null, extack: null }
  // dump callbacks return what is left of their last count as well: only a negative number is a failure.
  const status = readS32(bytes, 0)
  return { errno: status < 0 ? -status : 0, request: null, echoed: null, extack: decodeTlvs(bytes, 4, flags) }
}

function decodeTlvs(bytes: Buffer, start: number, flags: number): ExtendedAck | null {
  if ((flags & NLM_F_ACK_TLVS) === 0 || start >= bytes.length) return null
  const extack: ExtendedAck = {}
  let at = start
  // One at a time: a malformed one must not cost the message before it, nor the errno.
  while (at < bytes.length) {
    try {
      const stop = attributeEnd(bytes, at, bytes.length)
      Tlvs.readInto(extack as Record<PropertyKey, unknown>, bytes, at, stop, 0, null)
      at += align(stop - at)
    } catch (error) {
      if (!(error instanceof MalformedAttribute)) throw error
      extack.unparsed = Buffer.from(bytes.subarray(at))
      break
    }
  }
  return extack
}

/**
 * Puts names to an extended acknowledgement's numbers: `attribute` for `offset`, `missingName` for `missingType`.
 * What the request does not hold, or the layout has no name for, stays without one.
 * @param request the whole request, its header included, as it was sent: offsets count from there
 * @param layout what the request was encoded with
 * @param start where that begins: 16, after the netlink header; 20 for generic netlink
 */
export function nameExtack(
  extack: ExtendedAck,
  request: Uint8Array,
  layout: AnyLayout,
  start = NLMSG_HDRLEN,
): ExtendedAck {
  const bytes = asBuffer(request)
  const named = { ...extack }
  if (extack.offset !== undefined) {
    const path = locateAttribute(bytes, layout, start, extack.offset)?.path
    if (path !== undefined) named.attribute = path
  }
  if (extack.missingType !== undefined) {
    const nest =
      extack.missingNest === undefined
        ? { path: '', inner: layout }
        : locateAttribute(bytes, layout, start, extack.missingNest)
    const name = nest?.inner?.nameOf(extack.missingType)
    if (name !== undefined) named.missingName = nest!.path === '' ? name : `${nest!.path}.${name}`
  }
  return named
}
