//! Tens of thousands of waits at once. Alone in its process, for it raises the limit of open descriptors.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{ready, register, run_until, wait_to_read};
use nearwire_event_loop::Driver;
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const WANTED: u64 = 50_000;
/// Fewer would prove nothing.
const LEAST: u64 = 10_000;
/// For what the process has open beside the waits.
const OTHERS: u64 = 200;

/// As many waits as the limit of open descriptors allows, raised as far as it goes.
fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = WANTED + OTHERS;
    // Root may raise the hard limit as well; anybody may go up to it.
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let attempts = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)];
    for (current, maximum) in attempts {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: Some(maximum) }).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHERS).min(WANTED)
}

/// Both halves in one test: they share the limit.
#[test]
fn tens_of_thousands_of_waits_are_all_woken() {
    let count = raise_limit();
    if count < LEAST {
        eprintln!("SKIPPED: only {count} descriptors may be open, {LEAST} are needed (ulimit -n)");
        return;
    }
    let count = u32::try_from(count).expect("bounded");
    eprintln!("{count} waits");
    let driver = Driver::new().expect("a driver");
    // Duplicates are registrations of their own, and one write makes all of them ready.
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");

    let waits: Vec<_> = (0..count)
        .map(|token| {
            let readiness = register(&driver, event.try_clone().expect("a duplicate"));
            wait_to_read(&driver, &readiness, &driver.token_waker(token));
            readiness
        })
        .collect();
    assert!(!driver.is_pending());
    rustix::io::write(&event, &1_u64.to_ne_bytes()).expect("room");
    let mut tokens = Vec::new();
    run_until(&driver, || {
        driver.take_ready(&mut tokens);
        tokens.len() >= count as usize
    });
    tokens.sort_unstable();
    assert!(tokens.into_iter().eq(0..count));
    drop(waits);
    assert_eq!(ready(&driver), []);

    rustix::io::read(&event, &mut [0; 8]).expect("the count");
    let woken = Rc::new(Cell::new(0));
    for _ in 0..count {
        let readiness = register(&driver, event.try_clone().expect("a duplicate"));
        let woken = Rc::clone(&woken);
        driver.spawn(async move {
            // Looks without taking, so that the one count is there for all.
            let look = |fd: std::os::fd::BorrowedFd<'_>| {
                let mut polled = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
                let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
                match rustix::event::poll(&mut polled, Some(&now))? {
                    0 => Err(std::io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                }
            };
            readiness.read_with(look).await.expect("ready");
            woken.set(woken.get() + 1);
        });
    }
    for _ in 0..3 {
        driver.turn();
    }
    assert_eq!(woken.get(), 0);
    rustix::io::write(&event, &1_u64.to_ne_bytes()).expect("room");
    run_until(&driver, || woken.get() == count);
}
