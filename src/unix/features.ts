import { native } from '../native.js'
import { unwrap } from './failures.js'

/** Which of the kernel's newer AF_UNIX options there are, named as in unix(7) and socket(7). */
export interface Features {
  /** A descriptor of the sender's process with every message; Linux 6.5. */
  readonly SO_PASSPIDFD: boolean
  /** A descriptor of the peer's process, `peer.pidfd()`; Linux 6.5. */
  readonly SO_PEERPIDFD: boolean
  /** Refusing descriptors; Linux 6.16. */
  readonly SO_PASSRIGHTS: boolean
  /** The peer's supplementary groups, `peer.groups`; Linux 4.13. */
  readonly SO_PEERGROUPS: boolean
  /** Security labels, `peer.securityLabel()` and `SO_PASSSEC`: a security module that labels sockets is active. */
  readonly SO_PEERSEC: boolean
  /** Peeking from a place of one's own; Linux 3.4. */
  readonly SO_PEEK_OFF: boolean
}

let found: Features | undefined

/**
 * What the running kernel has, found out by trying each option on a pair of sockets, once. Using what is `false` here is
 * an error with `ENOPROTOOPT` that names the version.
 *
 * Errors: `EMFILE`, `ENFILE`.
 */
export function features(): Features {
  if (found === undefined) {
    const has = unwrap(native.unixFeatures())
    found = Object.freeze({
      SO_PASSPIDFD: has.passPidfd,
      SO_PEERPIDFD: has.peerPidfd,
      SO_PASSRIGHTS: has.passRights,
      SO_PEERGROUPS: has.peerGroups,
      SO_PEERSEC: has.peerSecurity,
      SO_PEEK_OFF: has.peekOffset,
    })
  }
  return found
}
