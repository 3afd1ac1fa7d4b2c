// What the compiler makes of the stream surface: checked by tsc, run by nobody.
import { expectTypeOf } from 'expect-type'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type Closable,
  type Codec,
  type ConnectOptions,
  delimiter,
  type FramedStream,
  type Framing,
  type FramingOptions,
  json,
  lengthPrefix,
  type ListenOptions,
  type MessageBatch,
  raw,
  type ReceivedMessage,
  SocketError,
  structured,
  text,
  type UnixAddress,
  type UnixAddressLike,
  UnixListener,
  UnixStream,
} from 'nearwire'

// Addresses.
expectTypeOf<string>().toMatchTypeOf<UnixAddressLike>()
expectTypeOf<{ path: string }>().toMatchTypeOf<UnixAddressLike>()
expectTypeOf<{ path: Buffer }>().toMatchTypeOf<UnixAddressLike>()
expectTypeOf<{ abstract: Uint8Array }>().toMatchTypeOf<UnixAddressLike>()
expectTypeOf<number>().not.toMatchTypeOf<UnixAddressLike>()
expectTypeOf<UnixAddress>().toMatchTypeOf<UnixAddressLike>()
declare const address: UnixAddress
if ('path' in address) expectTypeOf(address.path).toBeString()
else if ('abstract' in address) expectTypeOf(address.abstract).toEqualTypeOf<Buffer>()
else expectTypeOf(address.unnamed).toEqualTypeOf<true>()

// Options.
expectTypeOf<{ timeout: number, signal: AbortSignal, bind: 'auto', busyPoll: number }>().toMatchTypeOf<ConnectOptions>()
expectTypeOf<{ takeover: 'always' }>().not.toMatchTypeOf<ListenOptions>()
expectTypeOf<{ takeover: 'stale', mode: number, backlog: number, unlinkOnClose: boolean }>().toMatchTypeOf<ListenOptions>()

// Listeners.
expectTypeOf(UnixListener.listen).returns.resolves.toEqualTypeOf<UnixListener>()
expectTypeOf(UnixListener.fromFd).returns.toEqualTypeOf<UnixListener>()
declare const listener: UnixListener
expectTypeOf(listener).toMatchTypeOf<AsyncIterable<UnixStream>>()
expectTypeOf(listener).toMatchTypeOf<Closable>()
expectTypeOf(listener.accept).returns.resolves.toEqualTypeOf<UnixStream>()
expectTypeOf(listener.ref()).toEqualTypeOf<UnixListener>()

// Streams.
// @ts-expect-error streams come from connect(), pair(), fromFd() and accept()
void new UnixStream()
expectTypeOf(UnixStream.connect).returns.resolves.toEqualTypeOf<UnixStream>()
expectTypeOf(UnixStream.pair).returns.toEqualTypeOf<[UnixStream, UnixStream]>()
declare const stream: UnixStream
expectTypeOf(stream.messages).returns.toEqualTypeOf<AsyncIterableIterator<ReceivedMessage>>()
expectTypeOf(stream.receiveMessage).returns.resolves.toEqualTypeOf<ReceivedMessage | null>()
expectTypeOf(stream).toMatchTypeOf<AsyncIterable<Buffer>>()
expectTypeOf(stream).toMatchTypeOf<Closable>()
expectTypeOf(stream).toMatchTypeOf<AsyncDisposable>()
expectTypeOf(stream.read).returns.resolves.toBeNumber()
expectTypeOf(stream.write).returns.resolves.toBeVoid()
expectTypeOf(stream.write).parameter(0).toEqualTypeOf<Uint8Array | string>()
expectTypeOf(stream.shutdown).parameter(0).toEqualTypeOf<'read' | 'write' | 'both' | undefined>()
expectTypeOf(stream.fd).toBeNumber()
expectTypeOf(stream.detach).returns.toBeNumber()
expectTypeOf(stream.closed).resolves.toBeVoid()
expectTypeOf(stream.localAddress).toEqualTypeOf<UnixAddress>()
expectTypeOf(stream.toDuplex).returns.toEqualTypeOf<Duplex>()
expectTypeOf(stream.toNetSocket).returns.toEqualTypeOf<Socket>()
expectTypeOf(stream.readable).toEqualTypeOf<ReadableStream<Uint8Array>>()
expectTypeOf(stream.writable).toEqualTypeOf<WritableStream<Uint8Array>>()
// @ts-expect-error what is internal is not there
void stream.outgoing

// Framed streams: what is sent and what arrives follow from the codec.
expectTypeOf(lengthPrefix).returns.toEqualTypeOf<Framing>()
expectTypeOf(delimiter('\n')).toEqualTypeOf<Framing>()
// @ts-expect-error prefixes have 1, 2, 4 or 8 bytes
lengthPrefix({ bytes: 3 })
expectTypeOf(stream.framed()).toEqualTypeOf<FramedStream<Buffer, string | Uint8Array>>()
expectTypeOf(stream.framed({ codec: raw() })).toEqualTypeOf<FramedStream<Buffer, string | Uint8Array>>()
expectTypeOf(stream.framed({ maxLength: 5 })).toEqualTypeOf<FramedStream<Buffer, string | Uint8Array>>()
expectTypeOf(stream.framed({ codec: text() })).toEqualTypeOf<FramedStream<string, string>>()
expectTypeOf(stream.framed({ codec: json<number[]>() })).toEqualTypeOf<FramedStream<number[], number[]>>()
expectTypeOf(stream.framed({ codec: json() })).toEqualTypeOf<FramedStream<unknown, unknown>>()
expectTypeOf(stream.framed({ codec: structured<Map<string, bigint>>() }))
  .toEqualTypeOf<FramedStream<Map<string, bigint>, Map<string, bigint>>>()

class Money {
  constructor(readonly cents: number) {}
}
const moneyCodec: Codec<Money, number> = {
  encode: (cents) => String(cents),
  decode: (bytes) => new Money(Number(bytes)),
}
const money = stream.framed({ codec: moneyCodec })
expectTypeOf(money).toEqualTypeOf<FramedStream<Money, number>>()
expectTypeOf(money.send).parameter(0).toBeNumber()
expectTypeOf(money.send).returns.toEqualTypeOf<void | Promise<void>>()
expectTypeOf(money.flush).returns.resolves.toBeVoid()
expectTypeOf(money).toMatchTypeOf<AsyncIterable<Money>>()
expectTypeOf(money).toMatchTypeOf<Closable>()
expectTypeOf(money.batches()).toMatchTypeOf<AsyncIterable<MessageBatch<Money>>>()
expectTypeOf(money.stream).toEqualTypeOf<UnixStream>()
const options: FramingOptions<string> = { codec: text() }
expectTypeOf(stream.framed(options)).toEqualTypeOf<FramedStream<string, string>>()

export async function uses(): Promise<void> {
  await using connected = await UnixStream.connect('/nowhere')
  for await (const message of connected.framed({ codec: json<{ id: number }>() })) expectTypeOf(message).toEqualTypeOf<{ id: number }>()
  for await (const accepted of listener) expectTypeOf(accepted).toEqualTypeOf<UnixStream>()
  for await (const batch of money.batches()) {
    expectTypeOf(batch.length).toBeNumber()
    expectTypeOf(batch.at(0)).toEqualTypeOf<Money>()
    expectTypeOf(batch.start(0)).toBeNumber()
    expectTypeOf(batch.data).toEqualTypeOf<Buffer>()
    for (const one of batch) expectTypeOf(one).toEqualTypeOf<Money>()
  }
}

// Errors.
declare const error: unknown
if (error instanceof SocketError) {
  expectTypeOf(error.code).toBeString()
  expectTypeOf(error.errno).toBeNumber()
  expectTypeOf(error.syscall).toBeString()
  expectTypeOf(error.address).toEqualTypeOf<string | undefined>()
}
