import type { Native } from '../native.js'
import type { UnixAddressLike } from './address.js'
import { adopt, listen, Listening, type ListenOptions } from './listening.js'
import { UnixStream } from './stream.js'

const SOCK_STREAM = 1

/** A listening stream socket. Iterating it accepts. */
export class UnixListener extends Listening<UnixStream> {
  /**
   * Binds a name and listens there.
   *
   * Errors: `EADDRINUSE` (the name is taken, see `takeover`), `EACCES` (no permission for the directory), `ENOENT` (no
   * such directory), `ENAMETOOLONG`; `TypeError` and `RangeError` for bad arguments.
   */
  static async listen(address: UnixAddressLike, options?: ListenOptions): Promise<UnixListener> {
    return new UnixListener(listen(SOCK_STREAM, address, options))
  }

  /**
   * Adopts a listening stream descriptor, from service activation or another process. Its name is never unlinked, and
   * `address` is what the kernel remembers of it.
   *
   * Errors: `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT` (not AF_UNIX), `EPROTOTYPE` (not a stream socket), `EINVAL` (not
   * listening); the descriptor then stays as it was.
   */
  static fromFd(fd: number): UnixListener {
    return new UnixListener(adopt(SOCK_STREAM, fd))
  }

  /** @internal */
  protected wrap(native: Native.UnixSocket, slot: number): UnixStream {
    return UnixStream.wrap(native, slot)
  }
}
