// Letting others have the loop. What the kernel answers at once settles without a turn of the loop, so a program that asks
// in a loop of its own would keep timers, signals and other sockets waiting for as long as it goes on.

/** About five milliseconds' worth of requests. */
const CREDIT = 512

let left = CREDIT
let turn: Promise<void> | undefined

/** Nothing, while the loop may be kept a little longer; else a promise that settles once it has turned. */
export function breathe(cost: number): Promise<void> | undefined {
  if (left > 0) {
    left -= cost
    return undefined
  }
  return turn ??= new Promise((resolve) => {
    setImmediate(() => {
      left = CREDIT
      turn = undefined
      resolve()
    })
  })
}
