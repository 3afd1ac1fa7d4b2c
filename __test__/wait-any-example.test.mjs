// examples/wait-any.mjs as a user runs it.
import test from 'ava'
import { start } from './helpers/programs.mjs'

test('a thousand sockets', async (t) => {
  const example = start(t, 'examples/wait-any.mjs', '1000')
  t.regex(await example.line(), /^1000 messages on 1000 sockets, in \d+ waits$/)
  t.is(await example.exit, 0)
})
