//! Addresses cross as bytes: the first says which kind, the rest is the name.

use napi::bindgen_prelude::Buffer;
use nearwire_unix::Address;

const UNNAMED: u8 = 0;
const PATH: u8 = 1;
const ABSTRACT: u8 = 2;

pub(crate) fn decode(bytes: &[u8]) -> Address {
    match bytes.split_first() {
        Some((&PATH, name)) => Address::Path(name.to_vec()),
        Some((&ABSTRACT, name)) => Address::Abstract(name.to_vec()),
        _ => Address::Unnamed,
    }
}

pub(crate) fn encode(address: &Address) -> Buffer {
    let (kind, name): (u8, &[u8]) = match address {
        Address::Unnamed => (UNNAMED, &[]),
        Address::Path(name) => (PATH, name),
        Address::Abstract(name) => (ABSTRACT, name),
    };
    let mut bytes = Vec::with_capacity(1 + name.len());
    bytes.push(kind);
    bytes.extend_from_slice(name);
    bytes.into()
}
