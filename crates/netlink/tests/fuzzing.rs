//! The fuzz target's property without a fuzzer: over its seeds and whatever it has found, and over a fixed number of
//! inputs made of those by chance, the same ones every time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

#[path = "../../../fuzz/netlink-parser/property.rs"]
mod property;

/// How many inputs chance makes, twice: half a second without optimization.
const INPUTS: usize = 100_000;

/// Lengths that headers lie with.
const LENGTHS: [u32; 12] = [0, 1, 3, 4, 5, 15, 16, 17, 0x7fff, 0xffff, 0x7fff_ffff, u32::MAX];

/// SplitMix64: a seed is enough to have the same numbers again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Says of which bytes the property does not hold.
fn check(bytes: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property::holds(bytes))) {
        eprintln!("the input was {bytes:02x?}");
        resume_unwind(panic);
    }
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let seeds = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/netlink-parser/seeds"));
    assert!(seeds.len() >= 10, "the seeds are not where they were");
    seeds
}

/// One to eight changes: a byte, a length where one could be, a cut, a piece of another seed.
fn changed(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            2 => {
                let length = LENGTHS[dice.below(LENGTHS.len())].to_ne_bytes();
                let width = if dice.below(2) == 0 { 2 } else { 4 };
                // Where headers begin.
                let aligned = at & !3;
                for (place, byte) in bytes.iter_mut().skip(aligned).zip(&length[..width]) {
                    *place = *byte;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = dice.next() as u8;
                }
            }
        }
    }
    bytes
}

#[test]
fn seeds_and_what_was_found() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/netlink-parser");
    for bytes in seeds().iter().chain(&files(&fuzz.join("corpus/parse"))).chain(&files(&fuzz.join("artifacts/parse"))) {
        check(bytes);
    }
}

#[test]
fn seeds_changed_by_chance() {
    let seeds = seeds();
    let mut dice = Dice(25);
    for _ in 0..INPUTS {
        check(&changed(&seeds, &mut dice));
    }
}

/// Nothing but chance, up to 64 bytes: what is too short for a header, and headers that make no sense.
#[test]
fn bytes_of_chance() {
    let mut dice = Dice(4);
    for _ in 0..INPUTS {
        let length = dice.below(65);
        check(&(0..length).map(|_| dice.next() as u8).collect::<Vec<_>>());
    }
}
