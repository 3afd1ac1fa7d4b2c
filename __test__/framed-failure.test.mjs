// After a failure to send, everybody who sends, flushes or waits for messages is told.

import test from 'ava'
import { UnixStream } from 'nearwire'

test('a failed send is thrown by the next one, by flush(), and by the iterator after the whole messages', async (t) => {
  const [left, right] = UnixStream.pair()
  t.teardown(() => left.close())
  const framed = left.framed()
  await right.write(Buffer.from([0, 0, 0, 1, 65]))
  await right.close()
  framed.send('lost')
  await t.throwsAsync(framed.flush(), { code: 'EPIPE' })
  t.throws(() => framed.send('too late'), { code: 'EPIPE' })
  await t.throwsAsync(framed.flush(), { code: 'EPIPE' })
  const received = []
  await t.throwsAsync(async () => {
    for await (const message of framed) received.push(message.toString())
  }, { code: 'EPIPE' })
  t.deepEqual(received, ['A'])
})

test('a failure that only the loop sees, before it sleeps, is not lost either', async (t) => {
  const [left, right] = UnixStream.pair()
  t.teardown(() => left.close())
  const framed = left.framed()
  await right.close()
  framed.send('lost')
  await t.throwsAsync(async () => {
    for (;;) {
      framed.send('more')
      await new Promise(setImmediate)
    }
  }, { code: 'EPIPE' })
})

test('a closed stream says so to senders, and ends the iterator', async (t) => {
  const [left] = UnixStream.pair()
  const framed = left.framed()
  await framed.close()
  t.throws(() => framed.send('late'), { code: 'ERR_SOCKET_CLOSED' })
  for await (const message of framed) t.fail(`${message}`)
})
