// npm test: sets everything up and runs every check, each to its end, so that one run tells all that is wrong.
//   npm test                    everything
//   npm test -- rust types      some of it: rust, types, lint, generated, javascript

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))

/** What the native build writes, and the commit has. */
const GENERATED = ['index.d.ts', 'native.cjs']

const committed = digest(GENERATED)
const setup = spawnSync(process.execPath, ['tools/setup.mjs'], { stdio: 'inherit' })
if (setup.status !== 0) process.exit(1)

const checks = {
  rust: [
    ['rustfmt', 'cargo', ['fmt', '--all', '--check']],
    ['clippy', 'cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']],
    ['rustdoc', 'cargo', ['doc', '--workspace', '--no-deps', '--document-private-items'], { RUSTDOCFLAGS: '-D warnings' }],
    ['cargo test', 'cargo', ['test', '--workspace']],
  ],
  types: [
    ['tsc', 'npx', ['tsc', '--noEmit', '-p', 'tsconfig.json']],
    ['type tests', 'npx', ['tsc', '--noEmit', '-p', '__test__/types/tsconfig.json']],
  ],
  lint: [['oxlint', 'npx', ['oxlint', '--deny-warnings']]],
  generated: [['generated files', regenerated]],
  javascript: [['ava', 'npx', ['ava']]],
}

const asked = process.argv.slice(2)
for (const name of asked) {
  if (!(name in checks)) {
    console.error(`there is no check ${name}; the checks are ${Object.keys(checks).join(', ')}`)
    process.exit(1)
  }
}

const outcomes = []
for (const [name, steps] of Object.entries(checks)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  for (const [title, command, args, env] of steps) outcomes.push({ title, ...perform(title, command, args, env) })
}

console.log()
for (const { title, passed, seconds } of outcomes) console.log(`${passed ? 'ok  ' : 'FAIL'}  ${title}  (${seconds.toFixed(1)} s)`)
const failed = outcomes.filter(({ passed }) => !passed).length
console.log(`checks: ${outcomes.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function perform(title, command, args, env) {
  console.log(`\n=== ${title}`)
  const begin = performance.now()
  const passed = typeof command === 'function'
    ? command()
    : spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } }).status === 0
  return { passed, seconds: (performance.now() - begin) / 1000 }
}

/** Whether the native build left the files as they were committed. */
function regenerated() {
  const same = digest(GENERATED) === committed
  console.log(same ? `${GENERATED.join(' and ')} are as the build writes them` : 'the build changed them: commit what it wrote')
  return same
}

function digest(files) {
  return createHash('sha256').update(files.map((file) => readFileSync(file)).join('\0')).digest('hex')
}
