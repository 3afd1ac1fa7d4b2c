// SPDX-License-Identifier: MIT OR Apache-2.0
// What nearwire_echo.h says, in JavaScript. A test compiles the header and compares the numbers.
import { attributes } from 'nearwire/netlink';

export const protocol = 25;
export const maxPayload = 65536;
export const maxMessages = 100000;

export const groups = 40;
export const group = { news: 1 };

export const type = {
  echo: 16,
  prefix: 17,
  attributes: 18,
  publish: 19,
  counters: 20,
  refuse: 21,
  burst: 22,
  list: 23,
  announce: 24,
};

export const Place = attributes('place', {
  row: { id: 1, type: 'u32' },
  column: { id: 2, type: 'u32' },
  label: { id: 3, type: 'string', checks: { maxLength: 31 } },
});

export const Echo = attributes('echo', {
  pad: { id: 1, type: 'pad' },
  text: { id: 2, type: 'string', checks: { maxLength: 63 } },
  number: { id: 3, type: 'u32' },
  shout: { id: 4, type: 'flag' },
  place: { id: 5, type: 'nested', of: Place },
  error: { id: 6, type: 'u32', checks: { min: 1, max: 133 } },
  received: { id: 7, type: 'u64' },
  refused: { id: 8, type: 'u64' },
  published: { id: 9, type: 'u64' },
  undelivered: { id: 10, type: 'u64' },
  group: { id: 11, type: 'u32', checks: { min: 1, max: groups } },
});
