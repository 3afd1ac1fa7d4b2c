// Who is at the other end of a connection.

import type { Native } from '../native.js'
import { failure } from './failures.js'

/**
 * The process at the other end (`SO_PEERCRED` of unix(7)): who connected, listened or made the pair, as it was at that
 * moment, in numbers of this process's namespaces. The kernel vouches for it.
 */
export interface Peer {
  /** 0 when it is in a PID namespace that this process cannot see. */
  readonly pid: number
  /** The effective user. */
  readonly uid: number
  /** The effective group. */
  readonly gid: number
  /** The supplementary groups (`SO_PEERGROUPS`). */
  readonly groups: readonly number[]
  /**
   * A new descriptor of the process (`SO_PEERPIDFD`, pidfd_open(2)), the caller's to close. Unlike `pid` it never comes
   * to mean another process.
   *
   * Errors: `ENOPROTOOPT` before Linux 6.5; `ESRCH` or `EINVAL` when the process is gone, depending on the kernel.
   */
  pidfd(): number
  /** The security label (`SO_PEERSEC`), or null when no security module labels sockets. */
  securityLabel(): string | null
}

/** `null` where the kernel knows no peer. */
export function peerOf(socket: Native.UnixSocket, assertOpen: (syscall: string) => void): Peer | null {
  const found = socket.peer()
  if (found === null) return null
  if ('syscall' in found) throw failure(found)
  return {
    ...found,
    pidfd() {
      assertOpen('getsockopt')
      const pidfd = socket.peerPidfd()
      if (typeof pidfd === 'number') return pidfd
      throw failure(pidfd ?? { errno: 107, syscall: 'getsockopt' })
    },
    securityLabel() {
      assertOpen('getsockopt')
      const label = socket.peerSecurityLabel()
      if (label === null) return null
      if ('syscall' in label) throw failure(label)
      return label.toString()
    },
  }
}
