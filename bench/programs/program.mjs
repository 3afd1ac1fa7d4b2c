// What every program of the benchmarks shares. Its command line is
// [role...] PATH AMOUNT, where the amount is milliseconds unless the row says
// otherwise; on standard output it says `ready` when it can be connected to, and
// the one of a pair that measures says `{"value":...}`.

const args = process.argv.slice(2)
export const amount = Number(args.pop())
export const path = args.pop()
export const role = args.join(' ')

export const ready = () => process.stdout.write('ready\n')

export function result(value) {
  process.stdout.write(`${JSON.stringify({ value })}\n`, () => process.exit())
}

/**
 * Counts what arrives. A third of the time passes before it begins, so that the
 * code is compiled by then; when the time is up the rate a second is the result.
 */
export function meter() {
  let total = 0
  let begun
  let started
  let finished = false
  return (count) => {
    const now = performance.now()
    begun ??= now
    if (finished || now - begun < amount / 3) return
    if (started === undefined) {
      started = now
      return
    }
    total += count
    if (now - started < amount) return
    finished = true
    result((total * 1000) / (now - started))
  }
}

/** Runs one round trip after another; the result is microseconds a round trip, or their rate. */
export async function roundTrips(trip, unit = 'us') {
  const run = async (duration) => {
    const start = performance.now()
    let count = 0
    let elapsed
    do {
      for (let i = 0; i < 50; i++) await trip()
      count += 50
      elapsed = performance.now() - start
    } while (elapsed < duration)
    return (elapsed * 1000) / count
  }
  await run(amount / 3)
  const time = await run(amount)
  result(unit === 'us' ? time : 1e6 / time)
}
