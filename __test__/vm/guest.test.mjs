// nearwire against the kernel module, inside the VM. node:test rather than AVA: AVA takes twenty seconds to start when
// the processor is emulated, and wants to write beside itself, where the VM cannot.
import assert from 'node:assert/strict';
import { execFile, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'node:test';
import { NetlinkClient, NetlinkError, NetlinkSocket, NLM_F_ACK, NLM_F_REQUEST, NLMSG_DONE } from 'nearwire/netlink';
import * as echoProtocol from '../../examples/kernel-module/protocol.mjs';

const { Echo, Place, group, protocol, type } = echoProtocol;
const run = promisify(execFile);
const example = fileURLToPath(new URL('../../examples/kernel-module/client.mjs', import.meta.url));
const member = fileURLToPath(new URL('member.mjs', import.meta.url));

/** Opens one, and closes it after the test. */
function opener(Kind) {
  return async (t, options = {}) => {
    const opened = await Kind.open({ protocol, ...options });
    t.after(() => opened.close());
    return opened;
  };
}
const openSocket = opener(NetlinkSocket);
const openClient = opener(NetlinkClient);

const request = (kind, payload = '', more = {}) => ({
  type: kind, flags: NLM_F_REQUEST, payload: typeof payload === 'string' ? Buffer.from(payload) : payload, ...more,
});

async function receiveOne(socket) {
  const datagram = await socket.receive();
  const messages = [...datagram.messages()];
  assert.equal(messages.length, 1);
  return { ...messages[0], text: messages[0].payload.toString(), from: datagram.from, group: datagram.group };
}

const insmod = () => run('insmod', [process.env.MODULE]);
const rmmod = () => run('rmmod', ['nearwire_echo']);

test('protocol.mjs has the numbers of the header', () => {
  const header = JSON.parse(execFileSync(process.env.HEADER_NUMBERS, { encoding: 'utf8' }));
  const upper = (prefix, entries) => entries.map(([name, number]) => [`NEARWIRE_ECHO_${prefix}_${name.toUpperCase()}`, number]);
  const ids = (set) => Object.entries(set.definitions).map(([name, { id }]) => [name, id]);
  assert.deepEqual(header, Object.fromEntries([
    ['NETLINK_NEARWIRE_ECHO', protocol],
    ['NEARWIRE_ECHO_MAX_PAYLOAD', echoProtocol.maxPayload],
    ['NEARWIRE_ECHO_MAX_MESSAGES', echoProtocol.maxMessages],
    ['NEARWIRE_ECHO_GROUPS', echoProtocol.groups],
    ...upper('GROUP', Object.entries(group)),
    ...upper('MSG', Object.entries(type)),
    ...upper('A', ids(Echo)),
    ...upper('PLACE', ids(Place)),
  ]));
});

test('a socket asks and is answered, by the kernel and by sequence number', async (t) => {
  const socket = await openSocket(t);
  await socket.send(request(type.prefix, 'hello', { sequence: 7 }));
  const { text, sequence, from, portId } = await receiveOne(socket);
  assert.deepEqual({ text, sequence, from, portId }, { text: 'echo:hello', sequence: 7, from: 0, portId: socket.portId });
});

test('bytes with a header of one\'s own go out as they are', async (t) => {
  const socket = await openSocket(t);
  await socket.send(Buffer.from('150000001000010009000000000000006279746573', 'hex'));
  const { text, sequence } = await receiveOne(socket);
  assert.deepEqual({ text, sequence }, { text: 'bytes', sequence: 9 });
});

test('two messages in one send: two answers', async (t) => {
  const socket = await openSocket(t);
  await socket.send([request(type.echo, 'a', { sequence: 1 }), request(type.prefix, 'b', { sequence: 2 })]);
  assert.deepEqual([(await receiveOne(socket)).text, (await receiveOne(socket)).text], ['a', 'echo:b']);
});

test('the longest payload comes back whole', async (t) => {
  const client = await openClient(t);
  const payload = Buffer.alloc(echoProtocol.maxPayload, 'y');
  const [answer] = await client.request({ type: type.echo, payload });
  assert.ok(answer.payload.equals(payload));
});

test('five hundred requests in flight, each with its own answer', async (t) => {
  const client = await openClient(t);
  const numbers = Array.from({ length: 500 }, (_, index) => `${index}`);
  const answers = await Promise.all(numbers.map((number) => client.request({ type: type.echo, payload: Buffer.from(number) })));
  assert.deepEqual(answers.map(([answer]) => answer.payload.toString()), numbers);
});

test('typed attributes go through the kernel', async (t) => {
  const client = await openClient(t);
  const [answer] = await client.request({
    type: type.attributes,
    payload: Echo.encode({ text: 'zwölf pence', number: 41, shout: true, place: { row: 3, column: 4, label: 'here' } }),
  });
  assert.deepEqual(Echo.decode(answer.payload), {
    text: 'ZWöLF PENCE', number: 42, shout: true, place: { row: 4, column: 3, label: 'here' },
  });
});

test('a refusal is a NetlinkError with the module\'s text', async (t) => {
  const client = await openClient(t);
  await assert.rejects(client.request({ type: type.refuse, payload: Buffer.alloc(0) }), (error) => {
    assert.ok(error instanceof NetlinkError);
    assert.deepEqual({ code: error.code, text: error.extack.message }, { code: 'EOPNOTSUPP', text: 'refused, as you asked' });
    assert.match(error.message, /refused, as you asked/);
    return true;
  });
});

test('a refusal names the attribute that is wrong, or missing', async (t) => {
  const client = await openClient(t);
  const refused = (payload) => client.request({ type: type.attributes, payload }).then(assert.fail, (error) => error);
  assert.deepEqual(
    [(await refused(Echo.encode({ number: 1 }))).extack].map(({ message, missingType }) => ({ message, missingType })),
    [{ message: 'a text is required', missingType: 2 }],
  );
  const inNest = await refused(Echo.encode({ text: 'abc', place: { row: 1 } }));
  assert.deepEqual([inNest.extack.missingType, inNest.extack.missingNest], [2, 24]);
  const fromKernelOnly = await refused(Echo.encode({ text: 'abc', received: 1n }));
  assert.deepEqual([fromKernelOnly.code, fromKernelOnly.extack.offset], ['EINVAL', 24]);
});

test('a batch stops nothing: the refused one is named', async (t) => {
  const client = await openClient(t);
  await client.batch([{ type: type.counters, payload: Buffer.alloc(0) }, { type: type.counters, payload: Buffer.alloc(0) }]);
  await assert.rejects(
    client.batch([{ type: type.counters, payload: Buffer.alloc(0) }, { type: type.refuse, payload: Buffer.alloc(0) }]),
    (error) => error.code === 'EOPNOTSUPP' && error.index === 1,
  );
});

test('news reach every listener: three here, two in other processes, and the sender', async (t) => {
  const listeners = [await openSocket(t, { groups: [group.news] }), await openSocket(t, { groups: [group.news] }), await openSocket(t)];
  listeners[2].join(group.news);
  const stranger = await openSocket(t);
  const elsewhere = [fork(member), fork(member)];
  await Promise.all(elsewhere.map((child) => once(child, 'message'))); // joined
  const heard = elsewhere.map((child) => once(child, 'message'));

  await listeners[0].send(request(type.publish, 'to all'));
  for (const listener of listeners) {
    const { text, from, group: number } = await receiveOne(listener);
    assert.deepEqual({ text, from, number }, { text: 'to all', from: 0, number: group.news });
  }
  assert.deepEqual((await Promise.all(heard)).map(([text]) => text), ['to all', 'to all']);

  // The next thing the stranger gets is the answer to its own question.
  await stranger.send(request(type.echo, 'only this'));
  assert.equal((await receiveOne(stranger)).text, 'only this');
});

test('who has left gets no more; with nobody left publishing is ESRCH', async (t) => {
  const [client, socket] = [await openClient(t), await openSocket(t, { groups: [group.news] })];
  await client.request({ type: type.publish, payload: Buffer.from('one') });
  assert.equal((await receiveOne(socket)).text, 'one');
  socket.leave(group.news);
  await assert.rejects(client.request({ type: type.publish, payload: Buffer.from('two') }), { code: 'ESRCH' });
  await socket.send(request(type.echo, 'only this'));
  assert.equal((await receiveOne(socket)).text, 'only this');
});

test('broadcastErrors: of a full listener with it the kernel\'s sender hears, of one without it nobody does', async (t) => {
  const client = await openClient(t);
  const countersNow = async () => Echo.decode((await client.request({ type: type.counters, payload: Buffer.alloc(0) }))[0].payload);
  for (const broadcastErrors of [false, true]) {
    const full = await NetlinkSocket.open({ protocol, groups: [group.news], receiveBuffer: 1, broadcastErrors });
    const reader = await NetlinkSocket.open({ protocol, groups: [group.news] });
    const before = await countersNow();
    let undelivered = 0;
    for (let count = 0; count < 50; count += 1) {
      await client.request({ type: type.publish, payload: Buffer.from(`${count}`) }).catch((error) => {
        assert.deepEqual([error.name, error.code], ['NetlinkError', 'ENOBUFS']);
        undelivered += 1;
      });
      assert.equal((await receiveOne(reader)).text, `${count}`);
    }
    const after = await countersNow();
    assert.equal(undelivered > 0, broadcastErrors);
    assert.equal(after.undelivered - before.undelivered, BigInt(undelivered));
    assert.equal(after.published - before.published, BigInt(50 - undelivered));
    // The listener itself hears of it in any case.
    await assert.rejects(full.receive(), { code: 'ENOBUFS' });
    assert.equal((await receiveOne(full)).text, '0');
    await full.close();
    await reader.close();
  }
});

test('groups above 32 are joined, heard with their number, and left', async (t) => {
  const client = await openClient(t);
  const announce = (number) => client.request({ type: type.announce, payload: Echo.encode({ group: number, text: `to ${number}` }) });
  const all = await openSocket(t, { groups: [1, 32, 33, 40] });
  const [forty, eight] = [await openSocket(t), await openSocket(t, { groups: [8] })]; // in a mask of 32 bits, 40 would be 8
  const uninformed = await openSocket(t, { groups: [40], packetInfo: false });
  forty.join(40);
  assert.deepEqual([all.groups, forty.groups], [[1, 32, 33, 40], [40]]);
  for (const number of [1, 32, 33, 40]) {
    await announce(number);
    const datagram = await all.receive();
    const [{ payload }] = datagram.messages();
    assert.deepEqual([datagram.group, datagram.from, Echo.decode(payload).text], [number, 0, `to ${number}`]);
  }
  assert.equal((await forty.receive()).group, 40);
  assert.equal((await uninformed.receive()).group, 0);
  await announce(8);
  assert.equal((await eight.receive()).group, 8);

  for (const socket of [all, forty, uninformed]) socket.leave(40);
  assert.deepEqual([all.groups, forty.groups], [[1, 32, 33], []]);
  await assert.rejects(announce(40), { code: 'ESRCH' });
  // The next thing it gets is the answer to its own question.
  await forty.send(request(type.echo, 'only this'));
  assert.equal((await receiveOne(forty)).text, 'only this');
  assert.throws(() => forty.join(41), (error) => error.code === 'EINVAL' && /no group 41/.test(error.message));
  assert.throws(() => forty.send(request(type.echo), { group: 40 }), { code: 'ERR_OUT_OF_RANGE' });
});

test('a port id of one\'s own, and one that is taken', async (t) => {
  const socket = await openSocket(t, { portId: 4242 });
  assert.equal(socket.portId, 4242);
  await socket.send(request(type.echo, 'x'));
  assert.equal((await receiveOne(socket)).portId, 4242);
  await assert.rejects(NetlinkSocket.open({ protocol, portId: 4242 }), (error) => {
    assert.equal(error.code, 'EADDRINUSE');
    assert.match(error.message, /4242/);
    return true;
  });
  await socket.close();
  const again = await openSocket(t, { portId: 4242 });
  assert.equal(again.portId, 4242);
});

test('the answer goes to the socket that sent, whatever port id its message claims', async (t) => {
  const [sender, claimed] = [await openSocket(t), await openSocket(t)];
  assert.notEqual(sender.portId, claimed.portId);
  await sender.send(request(type.echo, 'mine', { portId: claimed.portId }));
  assert.equal((await receiveOne(sender)).portId, sender.portId);
  await claimed.send(request(type.echo, 'only this'));
  assert.equal((await receiveOne(claimed)).text, 'only this');
});

test('an absent port id: ECONNREFUSED', async (t) => {
  const socket = await openSocket(t);
  await assert.rejects(async () => socket.send(request(type.echo, 'x'), { to: 999_999 }), { code: 'ECONNREFUSED' });
});

const listRequest = (number, more = {}) => ({ type: type.list, payload: Echo.encode({ number, ...more }) });

async function numbersOf(dump) {
  const numbers = [];
  for await (const message of dump) numbers.push(Echo.decode(message.payload).number);
  return numbers;
}
const upTo = (end) => Array.from({ length: end }, (_, index) => index);

test('three lists at once on one client, through a small buffer, lose nothing', async (t) => {
  const client = await openClient(t, { receiveBuffer: 4096 });
  const lists = await Promise.all([1000, 2000, 3000].map((count) => numbersOf(client.dump(listRequest(count)))));
  assert.deepEqual(lists, [upTo(1000), upTo(2000), upTo(3000)]);
});

test('a list left half-read harms nothing', async (t) => {
  const client = await openClient(t);
  for await (const _ of client.dump(listRequest(50_000))) break;
  assert.deepEqual(await numbersOf(client.dump(listRequest(3))), [0, 1, 2]);
});

test('a list that ends with an errno rejects with it, after what came before', async (t) => {
  const client = await openClient(t);
  const numbers = [];
  await assert.rejects(async () => {
    for await (const message of client.dump(listRequest(3, { error: 5 }))) numbers.push(Echo.decode(message.payload).number);
  }, { code: 'EIO' });
  assert.deepEqual(numbers, [0, 1, 2]);
});

test('a burst into a small buffer is ENOBUFS once, then what had its place, and the socket goes on', async (t) => {
  const socket = await openSocket(t, { receiveBuffer: 4096 });
  await socket.send(request(type.burst, Echo.encode({ number: 5000 })));
  await assert.rejects(socket.receive(), { code: 'ENOBUFS' });
  await socket.send(request(type.echo, 'goes on', { sequence: 77 }));
  const kept = [];
  for (;;) {
    const message = await receiveOne(socket).catch((error) => {
      // The echo found the buffer still full: one more overrun, reported once more.
      assert.equal(error.code, 'ENOBUFS');
      return null;
    });
    if (message === null) await socket.send(request(type.echo, 'goes on', { sequence: 77 }));
    else if (message.sequence === 77) break;
    else kept.push(Echo.decode(message.payload).number);
    assert.notEqual(message?.type, NLMSG_DONE);
  }
  assert.ok(kept.length > 0 && kept.length < 5000, `${kept.length} were kept`);
  assert.deepEqual(kept, upTo(kept.length));
});

test('what the kernel drops without a word times out', async (t) => {
  const socket = await openSocket(t);
  await socket.send(Buffer.from('050000001000050001000000000000006279746573', 'hex'));
  await assert.rejects(socket.receive({ signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  await socket.send(request(type.echo, 'goes on', { flags: NLM_F_REQUEST | NLM_F_ACK }));
  assert.equal((await receiveOne(socket)).text, 'goes on');
});

test('from another network namespace the kernel\'s end is not there: ECONNREFUSED', async (t) => {
  await run('ip', ['netns', 'add', 'elsewhere']);
  t.after(() => run('ip', ['netns', 'delete', 'elsewhere']));
  const socket = await openSocket(t, { namespace: 'elsewhere' });
  await assert.rejects(async () => socket.send(request(type.echo, 'x')), { code: 'ECONNREFUSED' });
  const here = await openSocket(t);
  await here.send(request(type.echo, 'still here'));
  assert.equal((await receiveOne(here)).text, 'still here');
});

test('the example does what its page says, for an ordinary user too', async () => {
  await rmmod();
  await insmod(); // its counters begin anew
  const expected = [
    'echo: hello',
    "attributes: {\n  text: 'HELLO',\n  number: 42,\n  shout: true,\n  place: { row: 4, column: 3, label: 'here' }\n}",
    'news from port 0, group 1: hello',
    'list: 5000 numbers',
    'refused: EOPNOTSUPP refused, as you asked',
    'counters: { received: 6n, refused: 1n, published: 1n, undelivered: 0n }\n',
  ].join('\n');
  const { stdout } = await run(process.execPath, [example, 'hello'], { uid: 65534, gid: 65534 });
  assert.equal(stdout, expected);
});

test('the module stays while a socket is open, even a waiting one, and goes when it is closed', async () => {
  const socket = await NetlinkSocket.open({ protocol, groups: [group.news] });
  const waiting = socket.receive();
  await assert.rejects(rmmod(), /in use/);
  await socket.send(request(type.publish, 'still'));
  assert.equal([...(await waiting).messages()][0].payload.toString(), 'still');

  const settled = socket.receive().then(assert.fail, (error) => error);
  await socket.close();
  assert.equal((await settled).code, 'ERR_SOCKET_CLOSED');
  await rmmod();
});

test('without the module the error says that nobody serves the protocol', async () => {
  for (const Kind of [NetlinkSocket, NetlinkClient]) {
    await assert.rejects(Kind.open({ protocol }), (error) => {
      assert.equal(error.code, 'EPROTONOSUPPORT');
      assert.match(error.message, /25/);
      assert.match(error.message, /module/);
      return true;
    });
  }
});

test('loaded again, it serves again: the process needs nothing anew', async (t) => {
  await insmod();
  const client = await openClient(t);
  const [answer] = await client.request({ type: type.echo, payload: Buffer.from('again') });
  assert.equal(answer.payload.toString(), 'again');
});
