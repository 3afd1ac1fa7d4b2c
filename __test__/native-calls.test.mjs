// What the classes never hand to the native side is refused there all the same.
import { createRequire } from 'node:module'
import test from 'ava'

const { calls } = createRequire(import.meta.url)('../native.cjs')
const functions = calls()
const NOBODY = 0xffff_ffff
const EBADF = 9
const OFFSET = 4096

test('arguments that are missing or of the wrong type throw', (t) => {
  for (const [name, call] of Object.entries(functions)) {
    t.throws(() => call(), { message: /xpected|Failed/ }, name)
    t.throws(() => call('0', new Uint8Array(8), 0, 8, 0, 0), { code: 'NumberExpected' }, name)
  }
  t.throws(() => functions.unixRead(NOBODY, new Int8Array(8), 0, 8), { code: 'InvalidArg' })
  t.throws(() => functions.unixRead(NOBODY, 'text', 0, 8))
  t.throws(() => functions.unixSend(NOBODY, null))
})

test('a number that no socket has is EBADF', (t) => {
  for (const name of ['unixRead', 'unixWrite', 'unixReceiveBytes', 'unixReceiveMessages']) {
    t.is(functions[name](NOBODY, new Uint8Array(8), 0, 8, 0, 0), -EBADF, name)
  }
  t.is(functions.loopHold(NOBODY), undefined)
  t.is(functions.loopRelease(NOBODY), undefined)
  for (const name of ['unixMarkDirty', 'unixFlushMessages', 'netlinkReceive']) t.is(functions[name](NOBODY, 1), -EBADF, name)
  t.is(functions.unixTakeDescriptors(NOBODY, 1), -EBADF)
  t.is(functions.unixSend(NOBODY, new Uint8Array(1)), -EBADF)
  t.is(functions.unixSendMessage(NOBODY, new Uint8Array(1), undefined, 0, undefined).errno, EBADF)
  t.is(functions.netlinkSend(NOBODY, new Uint8Array(1), 0, 1, 0, 0), -EBADF)
  t.is(functions.netlinkExchange(NOBODY, 1, 0, 1), -EBADF - OFFSET)
})
