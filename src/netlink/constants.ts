// Numbers of the netlink wire format and socket interface, by the kernel's own names.
// Source: include/uapi/linux/netlink.h; __test__/netlink-message.test.mjs compares every one with a compiled C program.

/** What a message is, in `nlmsg_type`. Types from `NLMSG_MIN_TYPE` up belong to the protocol. */
export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_OVERRUN = 4
export const NLMSG_MIN_TYPE = 0x10

/** Flags of any message, in `nlmsg_flags`. */
export const NLM_F_REQUEST = 0x01
export const NLM_F_MULTI = 0x02
export const NLM_F_ACK = 0x04
export const NLM_F_ECHO = 0x08
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP_FILTERED = 0x20

/** Modifiers of a GET request. */
export const NLM_F_ROOT = 0x100
export const NLM_F_MATCH = 0x200
export const NLM_F_ATOMIC = 0x400
export const NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH

/** Modifiers of a NEW request. */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

/** Modifiers of a DELETE request. */
export const NLM_F_NONREC = 0x100
export const NLM_F_BULK = 0x200

/** Flags of an acknowledgement (`NLMSG_ERROR`, `NLMSG_DONE`). */
export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200

/** Bytes of `struct nlmsghdr` and `struct nlattr`, and what both are aligned to. */
export const NLMSG_HDRLEN = 16
export const NLMSG_ALIGNTO = 4
export const NLA_HDRLEN = 4
export const NLA_ALIGNTO = 4

/** The two top bits of `nla_type`, and the mask that leaves the type itself. */
export const NLA_F_NESTED = 0x8000
export const NLA_F_NET_BYTEORDER = 0x4000
export const NLA_TYPE_MASK = 0x3fff

/** Attributes of an extended acknowledgement. */
export const NLMSGERR_ATTR_UNUSED = 0
export const NLMSGERR_ATTR_MSG = 1
export const NLMSGERR_ATTR_OFFS = 2
export const NLMSGERR_ATTR_COOKIE = 3
export const NLMSGERR_ATTR_POLICY = 4
export const NLMSGERR_ATTR_MISS_TYPE = 5
export const NLMSGERR_ATTR_MISS_NEST = 6

/** Attributes that describe the policy a rejected attribute broke. */
export const NL_POLICY_TYPE_ATTR_TYPE = 1
export const NL_POLICY_TYPE_ATTR_MIN_VALUE_S = 2
export const NL_POLICY_TYPE_ATTR_MAX_VALUE_S = 3
export const NL_POLICY_TYPE_ATTR_MIN_VALUE_U = 4
export const NL_POLICY_TYPE_ATTR_MAX_VALUE_U = 5
export const NL_POLICY_TYPE_ATTR_MIN_LENGTH = 6
export const NL_POLICY_TYPE_ATTR_MAX_LENGTH = 7
export const NL_POLICY_TYPE_ATTR_POLICY_IDX = 8
export const NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE = 9
export const NL_POLICY_TYPE_ATTR_BITFIELD32_MASK = 10
export const NL_POLICY_TYPE_ATTR_PAD = 11
export const NL_POLICY_TYPE_ATTR_MASK = 12

/** Protocol numbers by name, as `socket(AF_NETLINK, type, protocol)` takes them. */
export const protocols = Object.freeze({
  route: 0,
  usersock: 2,
  sock_diag: 4,
  nflog: 5,
  xfrm: 6,
  selinux: 7,
  iscsi: 8,
  audit: 9,
  fib_lookup: 10,
  connector: 11,
  netfilter: 12,
  dnrtmsg: 14,
  kobject_uevent: 15,
  generic: 16,
  scsitransport: 18,
  rdma: 20,
  crypto: 21,
  smc: 22,
} as const)

/** A name in `protocols`. */
export type ProtocolName = keyof typeof protocols

/**
 * Rounds a length up to the 4 bytes that messages and attributes are aligned to.
 * Right for every safe integer: no 32-bit operator is used.
 */
export function align(length: number): number {
  const over = length % NLMSG_ALIGNTO
  return over === 0 ? length : length + NLMSG_ALIGNTO - over
}
