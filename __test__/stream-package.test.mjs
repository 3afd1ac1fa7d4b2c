// The package as a user installs it: from ES modules and CommonJS, with types, without an install script, or told why not.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { directory, ran, root } from './helpers/sockets.mjs'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const binary = readdirSync(root).find((name) => name.endsWith('.node'))
const target = binary?.split('.')[1]

function run(t, command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  t.is(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** A project that has installed what `npm pack` makes, and the package of this platform's binary beside it. */
function installed(t, { native = true } = {}) {
  const folder = directory(t)
  const packed = join(folder, 'packed')
  mkdirSync(packed)
  const project = join(folder, 'project')
  mkdirSync(project)
  const pack = (from) => join(packed, run(t, 'npm', ['pack', '--silent', '--pack-destination', packed, from], root).trim().split('\n').at(-1))
  const tarballs = [pack(root)]
  if (native) {
    const platform = join(folder, target)
    cpSync(join(root, 'npm', target), platform, { recursive: true })
    copyFileSync(join(root, binary), join(platform, binary))
    tarballs.push(pack(platform))
  }
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }')
  run(t, 'npm', ['install', '--silent', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], project)
  return project
}

const use = `
  const abstract = 'nearwire-package-' + process.pid
  async function main() {
    const listener = await UnixListener.listen({ abstract })
    const [client, server] = await Promise.all([UnixStream.connect(listener.address), listener.accept()])
    client.framed({ codec: text() }).send('hello')
    for await (const message of server.framed({ codec: text() })) {
      console.log(message)
      break
    }
    await Promise.all([client.close(), server.close(), listener.close()])
  }
  main()
`

test.serial('an installed package works from ES modules and from CommonJS, without a warning', (t) => {
  const project = installed(t)
  writeFileSync(join(project, 'module.mjs'), `import { text, UnixListener, UnixStream } from 'nearwire'\n${use}`)
  writeFileSync(join(project, 'common.cjs'), `const { text, UnixListener, UnixStream } = require('nearwire')\n${use}`)
  writeFileSync(join(project, 'netlink.cjs'), "console.log(typeof require('nearwire/netlink'), require('nearwire/package.json').name)")
  writeFileSync(join(project, 'both.mjs'), `
    import { createRequire } from 'node:module'
    import { SocketError } from 'nearwire'
    console.log(createRequire(import.meta.url)('nearwire').SocketError === SocketError)
  `)
  for (const [file, output] of [
    ['module.mjs', 'hello\n'], ['common.cjs', 'hello\n'], ['netlink.cjs', 'object nearwire\n'], ['both.mjs', 'true\n'],
  ]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: project, encoding: 'utf8' })
    t.is(status, 0, stderr)
    t.is(stdout, output)
    t.is(stderr, '')
  }

  // The types, as the compiler finds them from either kind of file.
  const modules = join(project, 'node_modules', '@types')
  mkdirSync(modules)
  for (const name of ['node']) symlinkSync(join(root, 'node_modules', '@types', name), join(modules, name))
  symlinkSync(join(root, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'))
  const typed = `
    import { json, lengthPrefix, UnixListener, UnixStream, type FramingOptions, type UnixAddress } from 'nearwire'
    import { NetlinkSocket } from 'nearwire/netlink'
    const options: FramingOptions<{ id: number }> = { framing: lengthPrefix({ bytes: 2 }), codec: json<{ id: number }>() }
    export async function main(): Promise<UnixAddress> {
      const stream: UnixStream = await UnixStream.connect('/nowhere', { timeout: 5 })
      const framed = stream.framed(options)
      const sent: void | Promise<void> = framed.send({ id: 1 })
      await sent
      for await (const { id } of framed) console.log(id.toFixed())
      // @ts-expect-error a message of another shape
      framed.send({ id: 'one' })
      // @ts-expect-error an option that does not exist
      await UnixListener.listen('/nowhere', { unlink: true })
      console.log(typeof NetlinkSocket)
      return stream.remoteAddress
    }
  `
  writeFileSync(join(project, 'module.mts'), typed)
  writeFileSync(join(project, 'common.cts'), typed)
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--types', 'node']
  run(t, process.execPath, [compiler, ...flags, '--module', 'node16', 'module.mts'], project)
  run(t, process.execPath, [compiler, ...flags, '--module', 'nodenext', 'module.mts', 'common.cts'], project)
})

test('no install script, no dependency, nothing but what is needed', (t) => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) t.is(manifest.scripts[name], undefined, name)
  t.is(manifest.dependencies, undefined)
  t.deepEqual(manifest.os, ['linux'])
  const [{ files }] = JSON.parse(run(t, 'npm', ['pack', '--dry-run', '--json', '--silent'], root))
  const outside = files.map(({ path }) => path).filter((path) => !/^(dist\/|native\.cjs$|index\.d\.ts$|package\.json$|README|LICEN)/.test(path))
  t.deepEqual(outside, [])
})

test.serial('without a binary for this platform: one line that names what is supported, and the cause', (t) => {
  const project = installed(t, { native: false })
  for (const [file, load] of [['a.mjs', "import('nearwire')"], ['b.cjs', "(async () => require('nearwire'))()"]]) {
    writeFileSync(join(project, file), `${load}.catch((error) => console.log(error.code, error.message, error.cause instanceof Error))`)
    const stdout = run(t, process.execPath, [file], project)
    t.regex(stdout, /^ERR_UNSUPPORTED_PLATFORM nearwire runs on Linux on x64 or arm64, with glibc or musl; no binary for linux on \w+ could be loaded true\n$/)
  }
})

for (const platform of ['darwin', 'win32', 'freebsd']) {
  test(`on ${platform}: one line that names what is supported`, async (t) => {
    const faked = `data:text/javascript,${encodeURIComponent(`Object.defineProperty(process, 'platform', { value: '${platform}' })`)}`
    const { code, stdout, stderr } = await ran(t, `
      for (const name of ['nearwire', 'nearwire/netlink']) {
        try { await import(name); console.log('loaded') } catch (error) { console.log(error.code, error.message) }
      }
    `, { execArgv: ['--import', faked] })
    t.is(code, 0, stderr)
    const line = `ERR_UNSUPPORTED_PLATFORM nearwire runs on Linux on x64 or arm64, with glibc or musl; this is ${platform}\n`
    t.is(stdout, line.repeat(2))
  })
}
