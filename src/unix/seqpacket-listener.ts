import type { Native } from '../native.js'
import type { UnixAddressLike } from './address.js'
import { adopt, listen, Listening, type ListenOptions } from './listening.js'
import { UnixSeqpacket } from './seqpacket.js'

const SOCK_SEQPACKET = 5

/** A listening seqpacket socket. Iterating it accepts. */
export class UnixSeqpacketListener extends Listening<UnixSeqpacket> {
  /**
   * Binds a name and listens there.
   *
   * Errors: `EADDRINUSE` (the name is taken, see `takeover`), `EACCES` (no permission for the directory), `ENOENT` (no
   * such directory), `ENAMETOOLONG`; `TypeError` and `RangeError` for bad arguments.
   */
  static async listen(address: UnixAddressLike, options?: Omit<ListenOptions, 'busyPoll'>): Promise<UnixSeqpacketListener> {
    return new UnixSeqpacketListener(listen(SOCK_SEQPACKET, address, options))
  }

  /**
   * Adopts a listening seqpacket descriptor, from service activation or another process. Its name is never unlinked, and
   * `address` is what the kernel remembers of it.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_UNIX), `EPROTOTYPE` (not a seqpacket socket), `EINVAL` (not
   * listening); the descriptor then stays as it was.
   */
  static fromFd(fd: number): UnixSeqpacketListener {
    return new UnixSeqpacketListener(adopt(SOCK_SEQPACKET, fd))
  }

  /** @internal */
  protected wrap(native: Native.UnixSocket, slot: number): UnixSeqpacket {
    return UnixSeqpacket.wrap(native, slot, this.timestamps)
  }
}
