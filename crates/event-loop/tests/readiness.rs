//! Waiting for one descriptor, in either direction, until its end.

mod common;

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use common::{
    LIMIT, drain, fill, is_readable, pair, read_byte, ready, register, run_until, settle, wait_to_read, wait_to_write,
};
use nearwire_event_loop::{Driver, Readiness};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::runtime::Builder;

const READ: u32 = 0;
const WRITE: u32 = 1;

#[test]
fn a_wait_that_was_left_before_the_bytes_came_is_woken_once() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    settle(&driver);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    assert!(!is_readable(&driver) && !driver.is_pending());
    peer.write_all(b"a").expect("room");
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [READ]);
    peer.write_all(b"b").expect("room");
    settle(&driver);
    assert_eq!(ready(&driver), [], "nobody waits");
}

#[test]
fn reading_that_rests_is_told_nothing_until_something_waits_again() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let mut readiness = register(&driver, ours);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    peer.write_all(b"a").expect("room");
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [READ]);
    assert_eq!(drain(&readiness), 1);
    for _ in 0..3 {
        readiness.rest_reading();
        peer.write_all(b"b").expect("room");
        assert!(!is_readable(&driver), "nobody looks");
        assert_eq!(drain(&readiness), 1);
        wait_to_read(&driver, &readiness, &driver.token_waker(READ));
        assert!(!driver.is_pending());
        peer.write_all(b"c").expect("room");
        run_until(&driver, || driver.is_pending());
        assert_eq!(ready(&driver), [READ]);
        assert_eq!(drain(&readiness), 1);
    }
}

/// What tokio remembers from bytes that are read already must not count as ready.
#[test]
fn readiness_from_before_the_eagain_is_forgotten() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    peer.write_all(b"old").expect("room");
    settle(&driver);
    assert_eq!(drain(&readiness), 3);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    assert!(!driver.is_pending());
    peer.write_all(b"new").expect("room");
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [READ]);
    assert_eq!(drain(&readiness), 3);
}

/// The edge between an `EAGAIN` and the wait is the one that a careless order loses.
#[test]
fn bytes_that_come_between_the_eagain_and_the_wait_wake_it() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    for round in 0..100 {
        assert_eq!(rustix::io::read(&readiness, &mut [0; 8]), Err(Errno::AGAIN), "round {round}");
        peer.write_all(b"edge").expect("room");
        wait_to_read(&driver, &readiness, &driver.token_waker(READ));
        run_until(&driver, || driver.is_pending());
        assert_eq!(ready(&driver), [READ]);
        assert_eq!(drain(&readiness), 4);
    }
}

/// Registered for both directions at once, a socket would ask for a turn for every message that its peer takes off.
#[test]
fn a_reader_is_not_disturbed_by_room_to_write() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    settle(&driver);
    for round in 0..100 {
        rustix::io::write(&readiness, b"message").expect("room");
        peer.read_exact(&mut [0; 7]).expect("a message");
        assert!(!is_readable(&driver), "round {round}");
    }
    assert_eq!(ready(&driver), []);
}

#[test]
fn a_full_socket_is_waited_for_and_readers_are_left_alone() {
    let driver = Driver::new().expect("a driver");
    let (ours, peer) = pair();
    let readiness = register(&driver, ours);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    for round in 0..20 {
        let filled = fill(&readiness);
        assert!(filled > 0);
        wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
        settle(&driver);
        assert_eq!(ready(&driver), [], "round {round}: the socket is full");
        assert!(drain(&peer) >= filled);
        run_until(&driver, || driver.is_pending());
        assert_eq!(ready(&driver), [WRITE], "round {round}");
    }
}

/// The peer reads between the `EAGAIN` and the first wait, before anything is registered for writing.
#[test]
fn room_that_comes_between_the_eagain_and_the_first_wait_is_seen() {
    let driver = Driver::new().expect("a driver");
    let (ours, peer) = pair();
    let readiness = register(&driver, ours);
    fill(&readiness);
    drain(&peer);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [WRITE]);
    // And once more, now that it is registered.
    fill(&readiness);
    drain(&peer);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [WRITE]);
}

/// tokio never forgets that a peer is gone: waiting for that to change would spin, in the turn or in the host.
#[test]
fn a_peer_that_hangs_up_is_announced_once() {
    let driver = Driver::new().expect("a driver");
    let (ours, peer) = pair();
    let readiness = register(&driver, ours);
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    settle(&driver);
    drop(peer);
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [READ]);
    settle(&driver);
    assert!(!driver.is_pending());
    assert_eq!(rustix::io::read(&readiness, &mut [0; 8]), Ok(0));
    // A wait after the end is over at once, and does not loop inside.
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    assert_eq!(ready(&driver), [READ]);
    settle(&driver);
}

/// A peer that only stopped sending: reading is at its end, writing goes on and is still waited for.
#[test]
fn a_half_open_peer_neither_spins_nor_ends_writing() {
    let driver = Driver::new().expect("a driver");
    let (ours, peer) = pair();
    let readiness = register(&driver, ours);
    peer.shutdown(Shutdown::Write).expect("half open");
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [READ]);
    let filled = fill(&readiness);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    settle(&driver);
    assert_eq!(ready(&driver), [], "the socket is full, not closed");
    assert!(drain(&peer) >= filled);
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [WRITE]);
    settle(&driver);
}

/// A writer must hear of a peer that will never read again, or it waits for ever.
#[test]
fn a_writer_hears_of_the_peers_end() {
    let driver = Driver::new().expect("a driver");
    let (ours, peer) = pair();
    let readiness = register(&driver, ours);
    fill(&readiness);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    settle(&driver);
    assert_eq!(ready(&driver), []);
    drop(peer);
    run_until(&driver, || driver.is_pending());
    assert_eq!(ready(&driver), [WRITE]);
    assert_eq!(rustix::io::write(&readiness, b"more"), Err(Errno::PIPE));
    // A wait after that is over at once, and does not loop inside.
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    assert_eq!(ready(&driver), [WRITE]);
    settle(&driver);
}

/// The bytes of both directions at once, with everything small and everything blocked all the time.
#[test]
fn both_directions_at_once_carry_every_byte() {
    const BYTES: usize = 2_000_000;
    let driver = Driver::new().expect("a driver");
    let (left, right) = pair();
    let finished = Rc::new(Cell::new(0));
    for fd in [left, right.into()] {
        let readiness = Rc::new(register(&driver, fd));
        driver.spawn({
            let (readiness, finished) = (Rc::clone(&readiness), Rc::clone(&finished));
            async move {
                let bytes: Vec<u8> = (0..BYTES).map(|index| index as u8).collect();
                let mut sent = 0;
                while sent < BYTES {
                    sent +=
                        readiness.write_with(|fd| Ok(rustix::io::write(fd, &bytes[sent..])?)).await.expect("written");
                }
                finished.set(finished.get() + 1);
            }
        });
        driver.spawn({
            let finished = Rc::clone(&finished);
            async move {
                let (mut received, mut buffer) = (0, [0; 3_001]);
                while received < BYTES {
                    let count = readiness.read_with(|fd| Ok(rustix::io::read(fd, &mut buffer)?)).await.expect("read");
                    for byte in &buffer[..count] {
                        assert_eq!(*byte, received as u8);
                        received += 1;
                    }
                }
                finished.set(finished.get() + 1);
            }
        });
    }
    run_until(&driver, || finished.get() == 4);
}

/// Transports are used without Node too. On a runtime with threads the edge may be harvested between the `EAGAIN` and
/// the wait, and is then no old one to be forgotten. A second registration of the same socket proves that it was.
#[test]
fn an_edge_that_another_thread_harvests_between_the_eagain_and_the_wait_is_kept() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_io().build().expect("a runtime");
    runtime.block_on(async {
        for round in 0..50_u8 {
            let (ours, mut peer) = pair();
            let witness = Readiness::new(ours.try_clone().expect("a duplicate"));
            let readiness = Readiness::new(ours);
            let (harvested, seen) = std::sync::mpsc::channel();
            let witnessing = tokio::spawn(async move {
                let looked = witness.read_with(|fd| Ok(recv(fd, &mut [0; 1], RecvFlags::PEEK)?.1)).await;
                harvested.send(looked.expect("a look")).expect("the reader");
            });
            let reading = tokio::spawn(async move {
                let mut first = true;
                readiness
                    .read_with(move |fd| {
                        let mut byte = [0];
                        let outcome = rustix::io::read(fd, &mut byte);
                        if std::mem::take(&mut first) {
                            assert_eq!(outcome, Err(Errno::AGAIN));
                            peer.write_all(&[round]).expect("room");
                            seen.recv_timeout(LIMIT).expect("the edge is harvested");
                        }
                        outcome?;
                        Ok(byte[0])
                    })
                    .await
            });
            tokio::select! {
                byte = reading => assert_eq!(byte.expect("a task").expect("a byte"), round),
                () = watchdog() => panic!("round {round}: the edge was lost"),
            }
            witnessing.await.expect("a task");
        }
    });
}

/// Resolves when the test has taken too long: the product's tokio has no timers, and neither has this one.
async fn watchdog() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        std::thread::park_timeout(LIMIT);
        drop(sender);
    });
    let _ = receiver.await;
}

/// Reading never waits while the peer is fast enough: it must give way all the same, or nothing else runs.
#[test]
fn a_socket_that_always_has_more_lets_others_run() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    peer.write_all(&[1; 10_000]).expect("room");
    let readiness = register(&driver, ours);
    let got = Rc::new(Cell::new(0));
    let got_by_then = Rc::new(Cell::new(None));
    driver.spawn({
        let got = Rc::clone(&got);
        async move {
            while read_byte(&readiness).await.expect("a byte").is_some() {
                got.set(got.get() + 1);
            }
        }
    });
    driver.spawn({
        let (got, got_by_then) = (Rc::clone(&got), Rc::clone(&got_by_then));
        async move { got_by_then.set(Some(got.get())) }
    });
    run_until(&driver, || got.get() == 10_000);
    let got_by_then = got_by_then.get().expect("the other has run");
    assert!(got_by_then < 1_000, "the other waited for {got_by_then} reads");
}

#[test]
fn a_descriptor_that_was_taken_back_is_nobodys() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let number = ours.as_raw_fd();
    let readiness = register(&driver, ours);
    fill(&readiness);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    wait_to_read(&driver, &readiness, &driver.token_waker(READ));
    settle(&driver);
    let ours = readiness.into_fd();
    assert_eq!(ours.as_raw_fd(), number);
    // What the tokens of the given-up waits do is tokio's business, as long as nothing comes after them.
    settle(&driver);
    ready(&driver);
    peer.write_all(b"for the new owner").expect("room");
    drain(&peer);
    assert!(!is_readable(&driver), "the driver still watches it");
    drop(peer);
    assert!(!is_readable(&driver), "the driver still watches it");
    assert_eq!(rustix::io::read(&ours, &mut [0; 64]), Ok(17));
}

/// The duplicate on which writing waits must go with the socket, or the peer never reads the end.
#[test]
fn dropping_it_closes_the_socket_even_after_a_wait_to_write() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    let filled = fill(&readiness);
    wait_to_write(&driver, &readiness, &driver.token_waker(WRITE));
    drop(readiness);
    settle(&driver);
    let mut received = Vec::new();
    peer.read_to_end(&mut received).expect("the end");
    assert_eq!(received.len(), filled);
}

#[test]
fn what_cannot_be_polled_is_refused() {
    let driver = Driver::new().expect("a driver");
    let _context = driver.enter();
    let file = File::open("/proc/self/exe").expect("a file");
    let readiness = Readiness::new(file.into());
    let outcome = readiness.poll_read(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = outcome else { panic!("a regular file cannot be polled") };
    assert_eq!(error.raw_os_error(), Some(Errno::PERM.raw_os_error()));
}

/// A wait that outlives its runtime is over with an error, instead of never.
#[test]
fn a_wait_on_a_driver_that_is_gone_fails() {
    let driver = Driver::new().expect("a driver");
    let (ours, _peer) = pair();
    let readiness = register(&driver, ours);
    wait_to_read(&driver, &readiness, Waker::noop());
    drop(driver);
    let never_registered = Readiness::new(readiness.as_fd().try_clone_to_owned().expect("a duplicate"));
    for readiness in [&readiness, &never_registered] {
        let outcome = readiness.poll_read(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(outcome, Poll::Ready(Err(_))));
    }
    assert!(readiness.as_fd().as_raw_fd() >= 0);
}
