// Sets up a fresh clone: npm packages, the native part, the TypeScript part. What is up to date already is left alone.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))

const [major, minor] = process.versions.node.split('.').map(Number)
if (process.platform !== 'linux') stop('nearwire runs on Linux only')
if (major < 20 || (major === 20 && minor < 19)) stop(`Node 20.19 or newer is needed; this is ${process.versions.node}`)

if (!existsSync('node_modules/.package-lock.json') || isOlder('node_modules/.package-lock.json', ['package-lock.json'])) {
  // Not `npm ci`: it refuses a lock file without the optional binaries of every other platform.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'])
}
const addon = readdirSync('.').find((name) => name.startsWith('nearwire.') && name.endsWith('.node'))
if (addon === undefined || isOlder(addon, ['Cargo.toml', 'Cargo.lock', ...filesIn('crates', /\.(rs|toml)$/)])) {
  if (spawnSync('cargo', ['--version']).status !== 0) {
    stop('the Rust toolchain is missing: install rustup from https://rustup.rs, then run this again')
  }
  run('npm', ['run', '--silent', 'build:native'])
}
if (!existsSync('dist/bundle/index.js') || isOlder('dist/bundle/index.js', ['tsconfig.json', 'index.d.ts', ...filesIn('src', /\.ts$/)])) {
  run('npm', ['run', '--silent', 'build:ts'])
}

function run(command, args) {
  console.error(`> ${command} ${args.join(' ')}`)
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) stop(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
}

/** Whether a file is older than any of its sources. */
function isOlder(target, sources) {
  const made = statSync(target).mtimeMs
  return sources.some((source) => statSync(source).mtimeMs > made)
}

function filesIn(folder, pattern) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

function stop(why) {
  console.error(`nearwire: ${why}`)
  process.exit(1)
}
