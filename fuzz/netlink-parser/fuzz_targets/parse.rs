//! `cargo +nightly fuzz run --fuzz-dir fuzz/netlink-parser parse fuzz/netlink-parser/corpus/parse fuzz/netlink-parser/seeds`

#![no_main]

#[path = "../property.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::holds(bytes));
