//! The descriptor that the host polls is the driver's own, whatever else the process has open.

mod common;

use std::cell::Cell;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Waker};

use common::{is_readable, pair, read_byte, ready, register, run_until, settle};
use nearwire_event_loop::Driver;
use rustix::event::epoll;
use tokio::runtime::{Builder, Runtime};

fn other_runtime() -> Runtime {
    Builder::new_current_thread().enable_io().build().expect("a runtime")
}

fn other_epoll() -> (OwnedFd, OwnedFd) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let (registered, _) = pair();
    epoll::add(&epoll, &registered, epoll::EventData::new_u64(0), epoll::EventFlags::IN).expect("registering");
    (epoll, registered)
}

#[test]
fn among_other_runtimes_and_epolls_each_driver_finds_its_own() {
    let mut others = vec![(other_runtime(), other_epoll())];
    let drivers: Vec<_> = (0..4)
        .map(|_| {
            let driver = Driver::new().expect("a driver");
            others.push((other_runtime(), other_epoll()));
            driver
        })
        .collect();
    let numbers: std::collections::HashSet<_> = drivers.iter().map(|driver| driver.epoll_fd().as_raw_fd()).collect();
    assert_eq!(numbers.len(), drivers.len());
    drivers.iter().for_each(|driver| _ = settle(driver));

    for (index, driver) in drivers.iter().enumerate() {
        let (ours, mut peer) = pair();
        let readiness = register(driver, ours);
        settle(driver);
        let got = Rc::new(Cell::new(None));
        driver.spawn({
            let got = Rc::clone(&got);
            async move { got.set(read_byte(&readiness).await.expect("a byte")) }
        });
        settle(driver);
        peer.write_all(&[7]).expect("room");
        for (other, driver) in drivers.iter().enumerate() {
            assert_eq!(is_readable(driver), other == index, "driver {other} when {index} was written to");
        }
        run_until(driver, || got.get() == Some(7));
    }
}

/// The search touches every epoll instance below the right one; none of them may forget or change what it watches.
#[test]
fn the_search_changes_nothing_in_other_epolls() {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let pairs: Vec<_> = (0..64).map(|_| pair()).collect();
    for (index, (ours, _)) in (0..).zip(&pairs) {
        epoll::add(&epoll, ours, epoll::EventData::new_u64(index), epoll::EventFlags::IN).expect("registering");
    }
    let runtime = other_runtime();
    let (theirs, mut their_peer) = pair();
    let theirs = nearwire_event_loop::Readiness::new(theirs);
    {
        let _context = runtime.enter();
        assert!(theirs.poll_read(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let drivers: Vec<_> = (0..8).map(|_| Driver::new().expect("a driver")).collect();

    for (_, peer) in &pairs {
        (&*peer).write_all(&[1]).expect("room");
    }
    let mut events = Vec::with_capacity(pairs.len());
    epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).expect("events");
    let mut seen: Vec<_> = events.iter().map(|event| event.data.u64()).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..64), "every registration is there, with its own data");
    their_peer.write_all(&[2]).expect("room");
    assert_eq!(runtime.block_on(read_byte(&theirs)).expect("a byte"), Some(2));
    drop(drivers);
}

/// Drivers on several threads at once, each with descriptors of its own: the numbers race, the drivers do not mix.
#[test]
fn drivers_made_on_many_threads_at_once_do_not_mix() {
    let threads: Vec<_> = (0..8_u32)
        .map(|thread| {
            std::thread::spawn(move || {
                for round in 0..50 {
                    let driver = Driver::new().expect("a driver");
                    let (ours, mut peer) = pair();
                    let readiness = register(&driver, ours);
                    let token = thread * 50 + round;
                    common::wait_to_read(&driver, &readiness, &driver.token_waker(token));
                    peer.write_all(&[1]).expect("room");
                    let mut tokens = Vec::new();
                    run_until(&driver, || {
                        tokens.extend(ready(&driver));
                        !tokens.is_empty()
                    });
                    assert_eq!(tokens, [token]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
}
