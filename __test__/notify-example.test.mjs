// examples/activation.mjs and examples/notify.mjs, each with the other and with systemd's own tools.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { UnixStream } from 'nearwire'
import { start, startCommand } from './helpers/programs.mjs'
import { place, readAll, until } from './helpers/sockets.mjs'

const has = (command) => spawnSync(command, ['--version']).status === 0

async function ask(path) {
  const stream = await UnixStream.connect(path)
  const answer = String(await readAll(stream))
  await stream.close()
  return answer
}

test('the service under the manager: ready, its status, and its end', async (t) => {
  const path = place(t)
  const manager = start(t, 'examples/notify.mjs', process.execPath, 'examples/activation.mjs', path)
  const [, pid] = /^(\d+): READY=1$/.exec(await manager.line())
  t.is(await ask(path), 'you are number 1 at a socket of my own\n')
  t.is(await manager.line(), `${pid}: STATUS=1 served`)
  process.kill(Number(pid), 'SIGTERM')
  t.is(await manager.line(), `${pid}: STOPPING=1`)
  t.is(await manager.exit, 0)
})

if (has('systemd-notify')) {
  test('the manager and systemd-notify', async (t) => {
    const manager = start(t, 'examples/notify.mjs', 'systemd-notify', '--ready', '--status=all is well')
    const lines = await manager.rest()
    t.deepEqual(lines.map((line) => line.replace(/^\d+: /, '')), ['READY=1', 'STATUS=all is well', 'BARRIER=1'])
    t.is(await manager.exit, 0)
  })
} else {
  test.skip('the manager and systemd-notify: not installed', () => {})
}

if (has('systemd-socket-activate')) {
  test('the service under systemd-socket-activate', async (t) => {
    const path = place(t)
    const service = startCommand(t, 'systemd-socket-activate', '-l', path, '--fdname=example', '-E', 'PATH', process.execPath, 'examples/activation.mjs')
    await until(() => service.errors().includes('Listening on'))
    t.is(await ask(path), 'you are number 1 at example\n')
    t.is(await ask(path), 'you are number 2 at example\n')
    service.process.kill('SIGTERM')
    t.is(await service.exit, 0)
  })
} else {
  test.skip('the service under systemd-socket-activate: not installed', () => {})
}
