import { getSystemErrorMap } from 'node:util'
import { SocketError } from '../errors.js'
import type { ExtendedAck } from './extack.js'
import type { NetlinkMessage } from './message.js'

/** What a failed request knows about itself. */
export interface NetlinkErrorDetails {
  /** Positive, as in errno(3). */
  errno: number
  /** A `code` of our own where no errno says it. Default: the kernel's name of `errno`. */
  code?: string
  /** The system call that failed. Default `sendmsg`, within which the kernel carries a request out. */
  syscall?: string
  /** What the kernel said beside the errno. */
  extack?: ExtendedAck | null
  /** The request that failed, as it was sent. */
  request?: NetlinkMessage | null
  /** In a batch: its place, from 0. */
  index?: number
  /** What a person should know beyond the errno's own text. */
  explanation?: string
  /** The error behind this one. */
  cause?: unknown
}

/**
 * A request that the other side refused, or that got no answer. `code` and `errno` say why, as on every `SocketError`
 * (`EOPNOTSUPP`, `ENOTSUPP`, `EUCLEAN`: names of the kernel's);
 * `extack` is what the kernel said beside it, and its text is part of `message`.
 */
export class NetlinkError extends SocketError {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'NetlinkError', configurable: true, writable: true })
  }
  /** The extended acknowledgement; null when there was none. */
  readonly extack: ExtendedAck | null
  /** The request that failed; null when no single one did. */
  readonly request: NetlinkMessage | null
  /** In a batch: the failed request's place, from 0. */
  declare readonly index?: number
  /** In a batch: all that failed, in order; this one is the first. */
  declare readonly failures?: readonly NetlinkError[]

  constructor(details: NetlinkErrorDetails) {
    const { errno, extack = null } = details
    super({
      errno,
      ...(details.code === undefined ? {} : { code: details.code }),
      syscall: details.syscall ?? 'sendmsg',
      explanation: explain(details, extack),
      cause: details.cause,
    })
    this.extack = extack
    this.request = details.request ?? null
    if (details.index !== undefined) this.index = details.index
  }

  /** @internal */
  among(failures: readonly NetlinkError[]): this {
    // Not enumerable, or showing the first error would show a thousand.
    return Object.defineProperty(this, 'failures', { value: failures })
  }
}

function explain({ errno, index, explanation }: NetlinkErrorDetails, extack: ExtendedAck | null): string | undefined {
  const said: string[] = []
  const general = explanation ?? extack?.message ?? getSystemErrorMap().get(-errno)?.[1]
  if (general !== undefined) said.push(general)
  if (explanation !== undefined && extack?.message !== undefined) said.push(extack.message)
  if (extack?.attribute !== undefined) said.push(`attribute ${extack.attribute}`)
  else if (extack?.offset !== undefined) said.push(`attribute at offset ${extack.offset} of the request`)
  if (extack?.missingName !== undefined) said.push(`missing attribute ${extack.missingName}`)
  else if (extack?.missingType !== undefined) said.push(`missing attribute of type ${extack.missingType}`)
  if (index !== undefined) said.push(`request ${index} of the batch`)
  return said.length === 0 ? undefined : said.join('; ')
}
