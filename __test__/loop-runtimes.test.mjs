// The same smoke test under Node, under Node with the watcher thread that the others need, under Bun and under Deno.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { collector, folder, lengthPrefixed, runProgram } from './helpers/loop.mjs'

const runtimes = fileURLToPath(new URL('./runtimes/', import.meta.url))
const smoke = fileURLToPath(new URL('./helpers/loop-smoke.mjs', import.meta.url))

const CASES = 7

const bun = `${runtimes}node_modules/@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`
const deno = `${runtimes}node_modules/@deno/linux-${process.arch}-glibc/deno`

let installing

/** Installs the two when they are asked for; without their install scripts, for the packages hold the programs. */
function install() {
  installing ??= runProgram('npm', ['ci', '--prefix', runtimes, '--ignore-scripts', '--no-audit', '--no-fund'], { limit: 240_000 })
  return installing
}

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
    if (!existsSync(program)) await install()
    if (!existsSync(program)) {
      const { code, stderr } = await install()
      t.log(`SKIPPED: ${name} could not be installed (npm ci: ${code}) ${stderr.slice(0, 300)}`)
      t.pass()
      return
    }
    const { code, stderr } = await runProgram(program, ['--version'])
    if (code !== 0) {
      t.log(`SKIPPED: ${name} does not run here: ${stderr.slice(0, 300)}`)
      t.pass()
      return
    }
    await succeeds(t, program, args)
  })
}
