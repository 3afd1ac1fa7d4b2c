// What the netlink rows do, given how one library does it.
import { openSync, readSync, writeSync } from 'node:fs'
import { amount, path, result } from './program.mjs'

/** One request after another; microseconds each. */
export async function requests(request) {
  const warm = amount / 4
  for (let i = 0; i < warm; i++) await request(i)
  const start = performance.now()
  for (let i = warm; i < warm + amount; i++) await request(i)
  result(((performance.now() - start) * 1000) / amount)
}

/** The whole table, five times after three; milliseconds each. `dump` answers how many routes came. */
export async function dumps(dump) {
  for (let i = 0; i < 3; i++) await dump()
  const start = performance.now()
  for (let i = 0; i < 5; i++) {
    const routes = await dump()
    if (routes < amount) throw new Error(`${routes} routes of ${amount} came`)
  }
  result((performance.now() - start) / 5)
}

/**
 * Bursts of events that the receive buffer holds. While the other program makes one, this one is blocked; only the
 * time from there until every event of it has been delivered counts. A lost one means that the result never comes.
 */
export function bursts(size) {
  const go = openSync(`${path}.go`, 'w')
  const done = openSync(`${path}.done`, 'r')
  const byte = Buffer.alloc(1)
  const begun = performance.now()
  let spent = 0
  let events = 0
  let left = 0
  let start
  const burst = () => {
    writeSync(go, byte)
    readSync(done, byte)
    left = size
    start = performance.now()
  }
  return {
    burst,
    delivered(count) {
      left -= count
      if (left > 0) return
      const now = performance.now()
      if (now - begun > amount / 3) {
        spent += now - start
        events += size
      }
      if (spent > 0 && now - begun > (amount * 4) / 3) result((events * 1000) / spent)
      else burst()
    },
  }
}
