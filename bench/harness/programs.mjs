// From the name of a program, as a row gives it, to a command line; what has to
// be installed or compiled first is, once, and a failure is the reason why a
// contestant is absent from its row.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const bench = fileURLToPath(new URL('..', import.meta.url))
const build = join(bench, 'build')
/** A package of its own, so that outside of it `nearwire` is this package itself. */
const npm = join(bench, 'npm')
const run = promisify(execFile)

const prepared = new Map()
function once(key, prepare) {
  if (!prepared.has(key)) prepared.set(key, prepare())
  return prepared.get(key)
}

const exists = (path) => access(path).then(() => true, () => false)

async function attempt(what, command, args, options) {
  try {
    return await run(command, args, { maxBuffer: 2 ** 26, ...options })
  } catch (error) {
    const lines = `${error.stderr ?? ''}`.split('\n').filter((line) => /error|fail|not found|ENOENT/i.test(line))
    throw new Error(`${what} failed: ${lines.at(0)?.trim() ?? error.message.split('\n')[0]}`, { cause: error })
  }
}

/**
 * Installs the npm peers, without their scripts: one that does not build must not take the others with it. Not
 * `npm ci`, which refuses the lock file because node-unix-socket names packages for platforms that were never published.
 */
export const installPeers = () =>
  once('npm install', async () => {
    if (await exists(join(npm, 'node_modules', 'vega'))) return
    await attempt('npm install', 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: npm })
  })

/** Makes sure that one npm peer loads, building it if it does not. */
const preparePeer = (name) =>
  once(`npm ${name}`, async () => {
    await installPeers()
    const loads = () => run(process.execPath, ['-e', `require('${name}')`], { cwd: npm })
    try {
      await loads()
    } catch {
      await attempt(`building ${name}`, 'npm', ['rebuild', name], { cwd: npm })
      await loads().catch((error) => {
        const reason = error.stderr.split('\n').find((line) => /Error/.test(line))
        throw new Error(`${name} does not load: ${reason}`, { cause: error })
      })
    }
  })

/** Compiles one C program; its name holds the hash of its sources, so an edited one is compiled anew. */
const compileC = (name) =>
  once(name, async () => {
    const headers = (await readdir(join(bench, 'c'))).filter((file) => file.endsWith('.h')).sort()
    const hash = createHash('sha256')
    for (const file of [name, ...headers]) hash.update(await readFile(join(bench, 'c', file)))
    const program = join(build, `${basename(name, '.c')}-${hash.digest('hex').slice(0, 12)}`)
    if (!(await exists(program))) {
      await mkdir(build, { recursive: true })
      await attempt(`cc ${name}`, 'cc', ['-O2', '-std=gnu17', '-D_GNU_SOURCE', '-Wall', join(bench, 'c', name), '-o', `${program}.new`])
      await rename(`${program}.new`, program)
    }
    return program
  })

const buildGo = (name) =>
  once(name, async () => {
    const program = join(build, `go-${basename(name, '.go')}`)
    await mkdir(build, { recursive: true })
    await attempt(`go build ${name}`, 'go', ['build', '-o', program, name], { cwd: join(bench, 'go') })
    return program
  })

const preparePython = () =>
  once('python', async () => {
    const environment = join(build, 'python')
    const python = join(environment, 'bin', 'python')
    if (!(await exists(join(environment, 'complete')))) {
      await attempt('python -m venv', 'python3', ['-m', 'venv', environment])
      await attempt('pip install', python, ['-m', 'pip', 'install', '-q', '-r', join(bench, 'python', 'requirements.txt')])
      await mkdir(join(environment, 'complete'))
    }
    return python
  })

/**
 * `'rtt-net.mjs awaited'` to a command and its arguments: a program of
 * `programs/`, `c/`, `go/`, `python/`, or of `npm/` when it needs a package
 * from there. Every program then takes the path of the socket and an amount (see `programs/program.mjs`).
 */
export async function commandOf(text, needs) {
  if (needs) await preparePeer(needs)
  const [name, ...roles] = text.split(' ')
  switch (extname(name)) {
    case '.mjs':
      return [process.execPath, join(needs ? npm : join(bench, 'programs'), name), ...roles]
    case '.c':
      return [await compileC(name), ...roles]
    case '.go':
      return [await buildGo(name), ...roles]
    case '.py':
      return [await preparePython(), join(bench, 'python', name), ...roles]
    case '.sh':
      return ['sh', join(bench, 'programs', name), ...roles]
    default:
      throw new Error(`no way to run ${name}`)
  }
}
