// Packages that only some tests need, installed when they first do.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { packageFolder, runProgram } from './loop.mjs'

export const runtimes = join(packageFolder, '__test__/runtimes')
export const alternatives = join(packageFolder, '__test__/alternatives/packages')

export const bun = join(runtimes, `node_modules/@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)
export const deno = join(runtimes, `node_modules/@deno/linux-${process.arch}-glibc/deno`)

const installing = new Map()

/**
 * Installs what a folder's lock file names, without install scripts, unless it is there; answers how that ended. Test files
 * run at once, and two installations of one folder would take each other's files away.
 *
 * Not by `npm ci` everywhere: it refuses the lock file of node-unix-socket, which names packages for platforms that were
 * never published.
 */
export function install(folder, command = folder === runtimes ? 'ci' : 'install --no-save') {
  if (!installing.has(folder)) {
    const script = `test -e node_modules/.package-lock.json || npm ${command} --ignore-scripts --no-audit --no-fund`
    installing.set(folder, runProgram('flock', [join(folder, 'package.json'), 'sh', '-c', `cd "$0" && { ${script}; }`, folder], { limit: 240_000 }))
  }
  return installing.get(folder)
}

/** Why a runtime cannot be run here, if it cannot. */
export async function missingRuntime(program) {
  if (!existsSync(program)) {
    const { code, stderr } = await install(runtimes)
    if (!existsSync(program)) return `it could not be installed (npm ci: ${code}) ${stderr.slice(0, 300)}`
  }
  const { code, stderr } = await runProgram(program, ['--version'])
  return code === 0 ? undefined : `it does not run here: ${stderr.slice(0, 300)}`
}

/** Why one of the alternatives cannot be loaded here, if it cannot. It is built when it comes without a binary. */
export async function missingAlternative(name) {
  const { code, stderr } = await install(alternatives)
  const load = () => runProgram(process.execPath, ['-e', `require('${join(alternatives, 'node_modules', name)}')`])
  if ((await load()).code === 0) return undefined
  const built = await runProgram('npm', ['rebuild', '--prefix', alternatives, name], { limit: 240_000 })
  const loaded = await load()
  if (loaded.code === 0) return undefined
  return `it does not load (npm install: ${code}, npm rebuild: ${built.code}) ${loaded.stderr.slice(0, 300)} ${stderr.slice(-300)}`
}
