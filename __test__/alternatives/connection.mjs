// The one shape in which the probes see every column's sockets, whatever calls, events or promises it has.

/** A socket: `send()`, and `next()` for what arrived, `{ data, from }`, `null` for the end; `socket` is the column's own object. */
export class Connection {
  #arrived = []
  #waiting = []

  constructor(socket, send) {
    this.socket = socket
    this.send = send
  }

  arrived(data, from) {
    this.#settle((waiting) => waiting.resolve(data === null ? null : { data: Buffer.from(data), from }))
  }

  failed(error) {
    this.#settle((waiting) => waiting.reject(error))
  }

  next() {
    return new Promise((resolve, reject) => {
      const early = this.#arrived.shift()
      if (early) early({ resolve, reject })
      else this.#waiting.push({ resolve, reject })
    })
  }

  #settle(answer) {
    const waiting = this.#waiting.shift()
    if (waiting) answer(waiting)
    else this.#arrived.push(answer)
  }
}

/** Settles with the first of an emitter's events: the named one, or `'error'`. */
export function first(emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve)
    emitter.once('error', reject)
  })
}

/** Has a Node stream's events arrive; `opened` is its event when it is connected. */
export async function fromEvents(socket, opened) {
  await first(socket, opened)
  const connection = new Connection(socket, (data) => socket.write(data))
  socket.on('data', (data) => connection.arrived(data))
  socket.on('end', () => connection.arrived(null))
  socket.on('error', (error) => connection.failed(error))
  return connection
}
