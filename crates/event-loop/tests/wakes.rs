//! Wakes, from this thread and from others: none is lost, and none costs more than it must.

mod common;

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{LIMIT, becomes_readable, is_readable, own_waker, ready, run_until, settle};
use nearwire_event_loop::Driver;

#[test]
fn a_token_woken_on_another_thread_makes_the_descriptor_readable() {
    let driver = Driver::new().expect("a driver");
    settle(&driver);
    let waker = driver.token_waker(7);
    thread::spawn(move || waker.wake()).join().expect("the waking thread");
    assert!(is_readable(&driver));
    driver.turn();
    assert_eq!(ready(&driver), [7]);
    assert!(!is_readable(&driver));
}

/// Whoever wakes while another's kick is being harvested must not be told that a kick is still under way. The wake
/// comes from a tokio task, which runs inside the turn just before the harvest.
#[test]
fn a_wake_after_a_kick_that_came_during_the_turn_is_not_swallowed() {
    let driver = Driver::new().expect("a driver");
    for round in 0..10 {
        settle(&driver);
        let during = driver.token_waker(1);
        {
            let _context = driver.enter();
            tokio::spawn(async move { thread::spawn(move || during.wake()).join().expect("the waking thread") });
        }
        driver.turn();
        assert_eq!(ready(&driver), [1], "round {round}");
        let after = driver.token_waker(2);
        thread::spawn(move || after.wake()).join().expect("the waking thread");
        assert!(is_readable(&driver), "round {round}: the second wake was swallowed");
        driver.turn();
        assert_eq!(ready(&driver), [2]);
    }
}

/// A `LocalSet` has no waker before its first poll: unless the driver polls it at birth, this wake goes nowhere.
#[test]
fn a_task_spawned_before_the_first_turn_is_announced() {
    let driver = Driver::new().expect("a driver");
    let ran = Rc::new(Cell::new(false));
    driver.spawn({
        let ran = Rc::clone(&ran);
        async move { ran.set(true) }
    });
    assert!(is_readable(&driver));
    run_until(&driver, || ran.get());
}

/// With the tasks under the waker of `block_on`, a task that wakes itself in the last poll leaves that waker marked as
/// woken, and the next wake from another thread is swallowed.
#[test]
fn a_wake_from_another_thread_after_a_self_wake_arrives() {
    const ROUNDS: usize = 200;
    let driver = Driver::new().expect("a driver");
    let polls = Rc::new(Cell::new(0));
    let (hand_over, wakers) = channel::<Waker>();
    let woken = Arc::new(AtomicUsize::new(0));
    driver.spawn({
        let (polls, woken) = (Rc::clone(&polls), Arc::clone(&woken));
        poll_fn(move |context| {
            polls.set(polls.get() + 1);
            // Twenty self-wakes outlast the rounds of one turn.
            if polls.get() % 20 != 0 {
                context.waker().wake_by_ref();
            } else {
                hand_over.send(context.waker().clone()).expect("the waking thread");
            }
            if woken.load(Ordering::SeqCst) == ROUNDS { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    let (go, gone) = channel::<()>();
    let waking = thread::spawn({
        let woken = Arc::clone(&woken);
        move || {
            for waker in wakers {
                // Not before the turn in which the task handed its waker over has ended.
                if gone.recv().is_err() {
                    return;
                }
                woken.fetch_add(1, Ordering::SeqCst);
                waker.wake();
            }
        }
    });
    for round in 1..=ROUNDS {
        run_until(&driver, || polls.get() >= round * 20);
        settle(&driver);
        go.send(()).expect("the waking thread");
        run_until(&driver, || polls.get() > round * 20);
    }
    run_until(&driver, || polls.get() > ROUNDS * 20);
    drop((go, driver));
    waking.join().expect("the waking thread");
}

/// Four threads wake as fast as they can while the owner takes turns only when asked to: every wake must show.
#[test]
fn a_flood_from_threads_loses_nothing_and_kicks_seldom() {
    const THREADS: u32 = 4;
    const WAKES: u32 = 20_000;
    let driver = Driver::new().expect("a driver");
    let start = Arc::new(Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let wakers: Vec<_> = (0..WAKES).map(|wake| driver.token_waker(thread * WAKES + wake)).collect();
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                wakers.into_iter().for_each(Waker::wake);
            })
        })
        .collect();
    let mut tokens = Vec::new();
    let turns = run_until(&driver, || {
        driver.take_ready(&mut tokens);
        tokens.len() == (THREADS * WAKES) as usize
    });
    threads.into_iter().for_each(|thread| thread.join().expect("a waking thread"));
    assert!(turns <= (THREADS * WAKES) as usize);
    for thread in 0..THREADS {
        let own = tokens.iter().copied().filter(|token| token / WAKES == thread);
        assert!(own.eq(thread * WAKES..(thread + 1) * WAKES), "the wakes of thread {thread} keep their order");
    }
}

/// One wake at a time, each only after the one before was seen: the pattern in which a swallowed kick hangs for ever.
#[test]
fn wakes_one_at_a_time_from_another_thread_all_arrive() {
    let driver = Driver::new().expect("a driver");
    let waker = driver.token_waker(3);
    let (seen, next) = channel::<()>();
    let waking = thread::spawn(move || {
        let mut count = 0;
        while next.recv().is_ok() {
            waker.wake_by_ref();
            count += 1;
        }
        count
    });
    for round in 0..20_000 {
        seen.send(()).expect("the waking thread");
        run_until(&driver, || ready(&driver) == [3]);
        if round % 3 == 0 {
            // A kick of nobody's beside them.
            driver.kick();
        }
    }
    drop(seen);
    assert_eq!(waking.join().expect("the waking thread"), 20_000);
}

#[test]
fn kicks_coalesce_into_one_turn() {
    let driver = Driver::new().expect("a driver");
    settle(&driver);
    for _ in 0..1_000 {
        driver.kick();
    }
    assert_eq!(settle(&driver), 1);
    driver.kick();
    assert!(is_readable(&driver), "the next one counts again");
}

#[test]
fn a_task_woken_from_another_thread_runs() {
    let driver = Driver::new().expect("a driver");
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let got = Rc::new(Cell::new(0));
    driver.spawn({
        let got = Rc::clone(&got);
        async move { got.set(receiver.await.expect("a value")) }
    });
    settle(&driver);
    let sending = thread::spawn(move || sender.send(42).expect("a receiver"));
    run_until(&driver, || got.get() == 42);
    sending.join().expect("the sending thread");
}

#[test]
fn a_wake_on_the_owners_thread_outside_a_turn_kicks() {
    let driver = Driver::new().expect("a driver");
    settle(&driver);
    driver.token_waker(1).wake();
    assert!(is_readable(&driver));
    driver.turn();
    assert_eq!(ready(&driver), [1]);

    let waker = Rc::new(Cell::new(None));
    let polls = Rc::new(Cell::new(0));
    driver.spawn({
        let (waker, polls) = (Rc::clone(&waker), Rc::clone(&polls));
        async move {
            waker.set(Some(own_waker().await));
            poll_fn(|_| {
                polls.set(polls.get() + 1);
                if polls.get() == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    });
    settle(&driver);
    waker.take().expect("the task has run").wake();
    run_until(&driver, || polls.get() == 2);
}

/// The host that promised to look before it blocks is not disturbed through the descriptor; other threads still are.
#[test]
fn a_host_that_checks_is_spared_the_kicks_of_its_own_thread_alone() {
    let driver = Driver::new().expect("a driver");
    driver.host_checks_before_blocking();
    settle(&driver);
    driver.token_waker(1).wake();
    let ran = Rc::new(Cell::new(false));
    driver.spawn({
        let ran = Rc::clone(&ran);
        async move { ran.set(true) }
    });
    assert!(!is_readable(&driver));
    assert!(driver.is_pending());
    driver.turn();
    assert_eq!(ready(&driver), [1]);
    assert!(ran.get());
    assert!(!driver.is_pending());

    let waker = driver.token_waker(2);
    thread::spawn(move || waker.wake()).join().expect("the waking thread");
    assert!(is_readable(&driver));
    driver.turn();
    assert_eq!(ready(&driver), [2]);
}

/// A wake inside the turn needs no second one: whoever took the turn takes the tokens after it.
#[test]
fn a_token_woken_inside_a_turn_comes_out_of_that_turn() {
    let driver = Driver::new().expect("a driver");
    let waker = driver.token_waker(9);
    driver.spawn(async move { waker.wake() });
    driver.turn();
    assert_eq!(ready(&driver), [9]);
    assert!(settle(&driver) <= 1, "at most the kick of the spawning is left");
}

/// A waker may outlive its driver: a thread that still has one must be able to use it.
#[test]
fn wakers_outlive_the_driver() {
    let driver = Driver::new().expect("a driver");
    let token = driver.token_waker(1);
    let (hand_over, task_wakers) = channel();
    driver.spawn(async move {
        hand_over.send(own_waker().await).expect("the test");
        std::future::pending::<()>().await;
    });
    settle(&driver);
    let task = task_wakers.recv_timeout(LIMIT).expect("the task has run");
    drop(driver);
    token.wake_by_ref();
    task.wake_by_ref();
    thread::spawn(move || {
        token.wake();
        task.wake();
    })
    .join()
    .expect("the waking thread");
}

/// The proof that the test's own host sleeps while nothing happens.
#[test]
fn an_idle_driver_stays_silent() {
    let driver = Driver::new().expect("a driver");
    settle(&driver);
    assert!(!becomes_readable(&driver, Duration::from_millis(50)));
}
