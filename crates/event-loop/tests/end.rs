//! Dropping a driver with everything still going on.

mod common;

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::rc::Rc;

use common::{pair, read_byte, register, run_until, settle};
use nearwire_event_loop::{Driver, Readiness};
use tokio::runtime::Handle;

/// What a task owns may talk to the runtime when it is dropped: a socket deregisters, a farewell needs a new one.
struct Farewell {
    at_the_end: Rc<RefCell<Vec<bool>>>,
    _socket: Readiness,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.at_the_end.borrow_mut().push(Handle::try_current().is_ok());
        let (ours, _peer) = pair();
        let _ = Readiness::new(ours);
    }
}

#[test]
fn tasks_are_dropped_inside_the_runtimes_context_and_their_sockets_closed() {
    let driver = Driver::new().expect("a driver");
    let at_the_end = Rc::new(RefCell::new(Vec::new()));
    let mut peers = Vec::new();
    for started in [true, false] {
        for _ in 0..10 {
            let (ours, peer) = pair();
            peer.set_nonblocking(false).expect("blocking");
            peers.push(peer);
            let farewell = Farewell { at_the_end: Rc::clone(&at_the_end), _socket: register(&driver, ours) };
            driver.spawn(async move {
                let _farewell = farewell;
                std::future::pending::<()>().await;
            });
        }
        if started {
            settle(&driver);
        }
    }
    assert!(at_the_end.borrow().is_empty());
    drop(driver);
    assert_eq!(*at_the_end.borrow(), [true; 20]);
    for mut peer in peers {
        assert_eq!(peer.read(&mut [0]).expect("the end"), 0);
    }
}

#[test]
fn readers_and_writers_in_the_middle_are_dropped_without_a_trace() {
    for _ in 0..20 {
        let driver = Driver::new().expect("a driver");
        let (left, right) = pair();
        let moved = Rc::new(Cell::new(0_usize));
        let reader = register(&driver, left);
        let writer = register(&driver, right);
        driver.spawn({
            let moved = Rc::clone(&moved);
            async move {
                while read_byte(&reader).await.expect("a byte").is_some() {
                    moved.set(moved.get() + 1);
                }
            }
        });
        driver.spawn(async move {
            loop {
                writer.write_with(|fd| Ok(rustix::io::write(fd, &[1; 512])?)).await.expect("written");
            }
        });
        run_until(&driver, || moved.get() > 100);
    }
}

/// A wake that is under way from another thread while the driver goes.
#[test]
fn threads_may_go_on_waking_while_the_driver_is_dropped() {
    for round in 0..200 {
        let driver = Driver::new().expect("a driver");
        let wakers: Vec<_> = (0..500).map(|token| driver.token_waker(token)).collect();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        driver.spawn(async move { while receiver.recv().await.is_some() {} });
        let waking = std::thread::spawn(move || {
            for waker in wakers {
                waker.wake();
                let _ = sender.send(());
            }
        });
        for _ in 0..round % 5 {
            driver.turn();
        }
        drop(driver);
        waking.join().expect("the waking thread");
    }
}
