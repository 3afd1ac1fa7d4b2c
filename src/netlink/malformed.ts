/**
 * Bytes that are not what the netlink format, or the schema they are decoded with, says they must be.
 *
 * `code` is always `'ERR_NETLINK_MALFORMED'`; it is no `SocketError`, because no syscall failed: the peer sent this.
 */
export class NetlinkFormatError extends Error {
  static {
    this.prototype.name = 'NetlinkFormatError'
  }
  readonly code = 'ERR_NETLINK_MALFORMED'
  /** Where the fault is, in bytes from the start of what was given to the decoder. */
  readonly offset: number
  /** The length the bytes at `offset` claim, or the bytes that are there when they are too few to claim one. */
  readonly length: number
  /** The attribute the fault is in, from the outermost set inwards ('link.linkinfo.data'); empty for a message header. */
  readonly path: string

  constructor(what: string, offset: number, length: number, path = '') {
    super(`Malformed netlink ${path === '' ? 'message' : `attribute in ${path}`} at offset ${offset}: ${what}`)
    this.offset = offset
    this.length = length
    this.path = path
  }
}

/**
 * A fault on its way out of nested decoders. Each level puts its name in front,
 * and only the outermost makes an `Error` of it: hostile input costs one stack trace, not one a level.
 */
export class MalformedAttribute {
  readonly path: string[] = []

  constructor(
    readonly what: string,
    readonly offset: number,
    readonly length: number,
  ) {}

  toError(root: string): NetlinkFormatError {
    return new NetlinkFormatError(this.what, this.offset, this.length, joinPath(root, this.path))
  }
}

/** 'link.items[3].name' of names pushed from the innermost outwards. */
export function joinPath(root: string, inwards: readonly string[]): string {
  let path = root
  for (let i = inwards.length - 1; i >= 0; i--) path += inwards[i]!.startsWith('[') ? inwards[i]! : `.${inwards[i]!}`
  return path
}
