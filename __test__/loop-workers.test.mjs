// Workers that are started and ended in the middle of reads, writes, accepts, iterations, listeners and loops.
// NEARWIRE_WORKERS says how many; the default takes some seconds, a thousand about a minute.
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { runProgram } from './helpers/loop.mjs'

const count = Number(process.env.NEARWIRE_WORKERS ?? 300)
const churn = fileURLToPath(new URL('./helpers/loop-churn.mjs', import.meta.url))

for (const watcher of [false, true]) {
  test.serial(`${count} workers ended in the middle leave no descriptor behind${watcher ? ', with the watcher' : ''}`, async (t) => {
    t.timeout(600_000)
    const ended = await runProgram(process.execPath, [churn, String(count)], {
      env: { NEARWIRE_WATCHER: watcher ? '1' : '' },
      limit: 590_000,
    })
    t.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr)
    const outcome = JSON.parse(ended.stdout)
    t.log(outcome)
    t.deepEqual(outcome.after, outcome.before)
    t.true(outcome.echoes > 10, 'the main thread went on')
  })
}
