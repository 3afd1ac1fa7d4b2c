// examples/dbus.mjs on a real bus daemon of the test's own.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { start, startCommand } from './helpers/programs.mjs'
import { abstractName, directory } from './helpers/sockets.mjs'

if (spawnSync('dbus-daemon', ['--version']).status !== 0) {
  test.skip('a descriptor through D-Bus: dbus-daemon is not installed', () => {})
} else {
  for (const [kind, address] of [
    ['a path', (t) => `unix:path=${directory(t)}/bus`], ['an abstract name', () => `unix:abstract=${abstractName()}`],
  ]) {
    test(`a descriptor passes through a bus daemon at ${kind}, from one client to another`, async (t) => {
      const daemon = startCommand(t, 'dbus-daemon', '--session', '--nofork', '--nopidfile', '--nosyslog', `--address=${address(t)}`, '--print-address=1')
      const bus = await daemon.line()
      const example = start(t, 'examples/dbus.mjs', bus)
      t.regex(await example.line(), /^:1\.0 and :1\.1 are on the bus$/)
      t.is(await example.line(), ':1.1 read "please: what only the descriptor leads to"')
      t.is(await example.exit, 0)
    })
  }

  test('an address that is none', async (t) => {
    const example = start(t, 'examples/dbus.mjs', 'tcp:host=localhost')
    t.is(await example.exit, 1)
    t.regex(example.errors(), /no address of a UNIX socket/)
  })
}
