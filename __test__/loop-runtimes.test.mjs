// The same smoke test under Node, under Node with the watcher thread that the others need, under Bun and under Deno.
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { bun, deno, missingRuntime } from './helpers/installs.mjs'
import { collector, folder, lengthPrefixed, runProgram } from './helpers/loop.mjs'

const smoke = fileURLToPath(new URL('./helpers/loop-smoke.mjs', import.meta.url))

const CASES = 7

async function succeeds(t, program, args, env = {}) {
  const { path, received } = await collector(t)
  const ended = await runProgram(program, [...args, smoke, await folder(t), path], { env, limit: 60_000 })
  t.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr)
  t.is(ended.stdout.match(/^ok /gm)?.length, CASES, ended.stdout)
  t.deepEqual([...lengthPrefixed(await received)].map(String), ['the last message'])
}

test('node', (t) => succeeds(t, process.execPath, []))

test('node with the watcher thread', (t) => succeeds(t, process.execPath, [], { NEARWIRE_WATCHER: '1' }))

for (const [name, program, args] of [['bun', bun, ['run']], ['deno', deno, ['run', '--allow-all']]]) {
  test(name, async (t) => {
    t.timeout(300_000)
    const missing = await missingRuntime(program)
    if (missing !== undefined) {
      t.log(`SKIPPED: ${name}: ${missing}`)
      t.pass()
      return
    }
    await succeeds(t, program, args)
  })
}
