//! The turn: what runs in it, how long it lasts, and that nothing in it is left behind.

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::Write;
use std::rc::Rc;
use std::task::Poll;

use common::{is_readable, pair, read_byte, ready, register, run_until, settle};
use nearwire_event_loop::Driver;

#[test]
fn a_turn_without_anything_to_do_returns_and_asks_for_no_other() {
    let driver = Driver::new().expect("a driver");
    settle(&driver);
    driver.turn();
    driver.turn();
    assert!(!is_readable(&driver));
    assert!(!driver.is_pending());
    assert_eq!(ready(&driver), []);
}

/// With the tasks inside `block_on`, the waker of the first yield dies with it: one of these thousand messages arrives.
#[test]
fn a_task_that_yields_after_each_message_gets_them_all() {
    const MESSAGES: usize = 1_000;
    let driver = Driver::new().expect("a driver");
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let got = Rc::new(Cell::new(0));
    driver.spawn({
        let got = Rc::clone(&got);
        async move {
            while receiver.recv().await.is_some() {
                got.set(got.get() + 1);
                tokio::task::yield_now().await;
            }
        }
    });
    for message in 0..MESSAGES {
        sender.send(message).expect("a receiver");
    }
    run_until(&driver, || got.get() == MESSAGES);
}

/// tokio makes a task give way after 128 operations by a deferred wake, which the naive turn loses: 128 of these arrive.
#[test]
fn a_task_that_uses_up_its_budget_gets_the_rest() {
    const MESSAGES: usize = 1_000;
    let driver = Driver::new().expect("a driver");
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let got = Rc::new(Cell::new(0));
    driver.spawn({
        let got = Rc::clone(&got);
        async move {
            while receiver.recv().await.is_some() {
                got.set(got.get() + 1);
            }
        }
    });
    for message in 0..MESSAGES {
        sender.send(message).expect("a receiver");
    }
    run_until(&driver, || got.get() == MESSAGES);
}

/// The budget also ends reading from a socket that always has more.
#[test]
fn a_socket_with_more_than_a_budget_of_bytes_is_read_to_the_end() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    peer.write_all(&[1; 5_000]).expect("room");
    drop(peer);
    let readiness = register(&driver, ours);
    let (got, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    driver.spawn({
        let (got, ended) = (Rc::clone(&got), Rc::clone(&ended));
        async move {
            while read_byte(&readiness).await.expect("a byte or the end").is_some() {
                got.set(got.get() + 1);
            }
            ended.set(true);
        }
    });
    run_until(&driver, || ended.get());
    assert_eq!(got.get(), 5_000);
}

#[test]
fn tasks_that_wake_each_other_for_ever_do_not_keep_the_host_from_its_loop() {
    let driver = Driver::new().expect("a driver");
    let polls = Rc::new(Cell::new(0_u32));
    driver.spawn({
        let polls = Rc::clone(&polls);
        poll_fn(move |context| {
            polls.set(polls.get() + 1);
            context.waker().wake_by_ref();
            Poll::Pending
        })
    });
    for turn in 1..=50 {
        let before = polls.get();
        assert!(is_readable(&driver), "turn {turn} was not asked for");
        driver.turn();
        assert!(polls.get() > before, "turn {turn} ran nothing");
    }
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    let got = Rc::new(Cell::new(None));
    driver.spawn({
        let got = Rc::clone(&got);
        async move { got.set(read_byte(&readiness).await.expect("a byte")) }
    });
    peer.write_all(&[42]).expect("room");
    run_until(&driver, || got.get() == Some(42));
}

#[test]
fn a_turn_inside_a_turn_does_nothing() {
    let driver = Rc::new(Driver::new().expect("a driver"));
    let steps = Rc::new(RefCell::new(Vec::new()));
    let (ours, mut peer) = pair();
    peer.write_all(&[1]).expect("room");
    let readiness = register(&driver, ours);
    driver.spawn({
        let (inner, steps) = (Rc::downgrade(&driver), Rc::clone(&steps));
        async move {
            steps.borrow_mut().push("before");
            let driver = inner.upgrade().expect("the driver that polls this");
            driver.spawn({
                let steps = Rc::clone(&steps);
                async move { steps.borrow_mut().push("other") }
            });
            driver.turn();
            steps.borrow_mut().push("after");
            read_byte(&readiness).await.expect("a byte");
            steps.borrow_mut().push("read");
        }
    });
    run_until(&driver, || steps.borrow().len() == 4);
    assert_eq!(*steps.borrow().first_chunk::<2>().expect("two steps"), ["before", "after"]);
    assert!(steps.borrow().contains(&"other"));
}

/// A panic belongs to its task: the others go on, and so does what is spawned later.
#[test]
fn a_panicking_task_leaves_the_loop_alive() {
    let driver = Driver::new().expect("a driver");
    let (ours, mut peer) = pair();
    let readiness = register(&driver, ours);
    let got = Rc::new(RefCell::new(Vec::new()));
    driver.spawn({
        let got = Rc::clone(&got);
        async move {
            while let Some(byte) = read_byte(&readiness).await.expect("a byte") {
                got.borrow_mut().push(byte);
            }
        }
    });
    driver.spawn(async { panic!("this panic is part of the test") });
    peer.write_all(&[1]).expect("room");
    run_until(&driver, || *got.borrow() == [1]);
    driver.spawn(async {
        tokio::task::yield_now().await;
        panic!("this panic is part of the test as well")
    });
    peer.write_all(&[2]).expect("room");
    run_until(&driver, || *got.borrow() == [1, 2]);
    let later = Rc::new(Cell::new(false));
    driver.spawn({
        let later = Rc::clone(&later);
        async move { later.set(true) }
    });
    run_until(&driver, || later.get());
}

#[test]
fn tokens_come_in_the_order_in_which_they_were_woken_and_behind_those_not_taken_yet() {
    let driver = Driver::new().expect("a driver");
    for token in [5, 3, 9, 3] {
        driver.token_waker(token).wake();
    }
    let mut tokens = vec![1];
    driver.take_ready(&mut tokens);
    assert_eq!(tokens, [1, 5, 3, 9, 3]);
    assert_eq!(ready(&driver), []);
    assert!(!driver.is_pending());
}

/// More descriptors become ready at once than one harvest of tokio's brings (1,024).
#[test]
fn more_events_than_one_turn_takes_ask_for_another() {
    let driver = Driver::new().expect("a driver");
    let event = common_eventfd();
    let waits: Vec<_> = (0..3_000)
        .map(|token| {
            let readiness = register(&driver, event.try_clone().expect("a duplicate"));
            common::wait_to_read(&driver, &readiness, &driver.token_waker(token));
            readiness
        })
        .collect();
    assert_eq!(ready(&driver), []);
    rustix::io::write(&event, &1_u64.to_ne_bytes()).expect("room");
    let mut tokens = Vec::new();
    let turns = run_until(&driver, || {
        driver.take_ready(&mut tokens);
        tokens.len() == waits.len()
    });
    assert!(turns > 1, "tokio takes more than it did: make the test larger");
    tokens.sort_unstable();
    assert!(tokens.iter().copied().eq(0..3_000));
}

#[test]
fn a_spawned_task_runs_only_in_a_turn() {
    let driver = Driver::new().expect("a driver");
    let ran = Rc::new(Cell::new(false));
    driver.spawn({
        let ran = Rc::clone(&ran);
        async move {
            ran.set(true);
            pending::<()>().await;
        }
    });
    assert!(!ran.get());
    assert!(driver.is_pending());
    run_until(&driver, || ran.get());
    assert!(!driver.is_pending());
}

fn common_eventfd() -> std::os::fd::OwnedFd {
    use rustix::event::{EventfdFlags, eventfd};
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd")
}
