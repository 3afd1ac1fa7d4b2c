import { getSystemErrorMap } from 'node:util'

import { errnoName } from './errnos.js'

export { errnoName }

/** What a failed operation knows about itself. */
export interface SocketErrorDetails {
  /** A `code` of our own where no errno says it, such as `ERR_SOCKET_CLOSED`. Default: the name of `errno`. */
  code?: string
  /** Positive, as in errno(3); 0 when the failure is not the kernel's. */
  errno: number
  /** The system call that failed, as its man page names it. */
  syscall: string
  /** The address that the call was about. */
  address?: string | undefined
  /** What a person should know beyond the errno's own text. */
  explanation?: string | undefined
  cause?: unknown
}

/**
 * A failed socket operation. `code` is the errno's name (`ECONNREFUSED`), `errno` its positive number, `syscall` the
 * call that failed, `address` what it was about.
 */
export class SocketError extends Error {
  /** The errno's name, such as `ECONNREFUSED`, or one of ours, such as `ERR_SOCKET_CLOSED`. */
  readonly code: string
  /** The errno, positive; 0 when the failure is not the kernel's. */
  readonly errno: number
  /** The system call that failed, as its man page names it. */
  readonly syscall: string
  /** The address that the call was about, where there is one. */
  declare readonly address?: string

  constructor(details: SocketErrorDetails) {
    super(describe(details), details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code ?? errnoName(details.errno)
    this.errno = details.errno
    this.syscall = details.syscall
    if (details.address !== undefined) this.address = details.address
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'SocketError', configurable: true, writable: true })
  }
}

function describe({ code, errno, syscall, address, explanation }: SocketErrorDetails): string {
  const where = address === undefined ? '' : ` ${address}`
  const why = explanation ?? getSystemErrorMap().get(-errno)?.[1]
  return `${syscall} ${code ?? errnoName(errno)}${where}${why === undefined ? '' : `: ${why}`}`
}

/** The handle was closed while an operation waited, or before it began. */
export function closedError(syscall: string, what: string): SocketError {
  return new SocketError({ code: 'ERR_SOCKET_CLOSED', errno: 0, syscall, explanation: `this ${what} is closed` })
}

/** The caller's own time limit ran out. */
export function timeoutError(syscall: string, milliseconds: number, address?: string, explanation = ''): SocketError {
  const text = `no success within ${milliseconds} ms${explanation === '' ? '' : `; ${explanation}`}`
  return new SocketError({ errno: 110, syscall, address, explanation: text })
}
