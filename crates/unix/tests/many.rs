//! Waiting on ten thousand descriptors, without threads.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nearwire_unix::{Interest, Many};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

const READABLE: Interest = Interest { readable: true, writable: false };
const WRITABLE: Interest = Interest { readable: false, writable: true };

fn raise_limit(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(wanted).min(wanted);
    if limit.current.is_some_and(|current| current < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).expect("raising the limit");
    }
    most.max(limit.current.unwrap_or(most))
}

fn event() -> OwnedFd {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("an eventfd")
}

fn signal(fd: &OwnedFd) {
    rustix::io::write(fd, &1_u64.to_ne_bytes()).expect("signalling");
}

fn clear(fd: &OwnedFd) {
    rustix::io::read(fd, &mut [0; 8]).expect("clearing");
}

#[tokio::test]
async fn any_of_ten_thousand_wakes() {
    let count = (raise_limit(10_100).saturating_sub(100)).min(10_000) as usize;
    if count < 10_000 {
        println!("only {count} descriptors: RLIMIT_NOFILE allows no more");
    }
    let mut many = Many::new().expect("a set");
    let events: Vec<_> = (0..count).map(|_| event()).collect();
    for (index, fd) in events.iter().enumerate() {
        many.add(fd.as_fd(), READABLE, index as u64).expect("adding");
    }
    assert_eq!(many.len(), count);
    assert_eq!(many.try_ready(&mut Vec::new(), 16), Err(Errno::AGAIN));
    for index in [0, count / 2, count - 1] {
        let mut waiting = Box::pin(many.ready(16));
        assert!(tokio::time::timeout(Duration::from_millis(5), &mut waiting).await.is_err());
        signal(&events[index]);
        let ready = waiting.await.expect("waiting");
        assert_eq!(ready.iter().map(|one| one.token).collect::<Vec<_>>(), [index as u64]);
        assert!(ready[0].readable && !ready[0].writable);
        clear(&events[index]);
    }
    events.iter().for_each(signal);
    let mut seen = vec![false; count];
    while seen.iter().any(|one| !one) {
        for one in many.ready(1000).await.expect("waiting") {
            seen[one.token as usize] = true;
            many.remove(events[one.token as usize].as_fd()).expect("removing");
        }
    }
    assert!(many.is_empty());
}

#[tokio::test]
async fn what_is_ready_is_reported_until_dealt_with() {
    let mut many = Many::new().expect("a set");
    let fd = event();
    many.add(fd.as_fd(), WRITABLE, 7).expect("adding");
    for _ in 0..3 {
        assert!(many.ready(4).await.expect("waiting")[0].writable);
    }
    many.modify(fd.as_fd(), READABLE).expect("modifying");
    assert_eq!(many.try_ready(&mut Vec::new(), 4), Err(Errno::AGAIN));
    assert_eq!(many.add(fd.as_fd(), READABLE, 8).expect_err("twice").errno, Errno::EXIST);
    many.remove(fd.as_fd()).expect("removing");
    assert_eq!(many.remove(fd.as_fd()).expect_err("twice").errno, Errno::NOENT);
}

#[tokio::test]
async fn a_hang_up_counts_and_a_regular_file_is_always_ready() {
    let mut many = Many::new().expect("a set");
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    many.add(reader.as_fd(), READABLE, 1).expect("adding");
    drop(writer);
    let ready = many.ready(4).await.expect("waiting");
    assert!(ready[0].hung_up && ready[0].readable);
    many.remove(reader.as_fd()).expect("removing");

    let file = File::open("/proc/self/exe").expect("a regular file");
    many.add(file.as_fd(), READABLE, 2).expect("adding");
    assert_eq!(many.ready(4).await.expect("waiting")[0].token, 2);
    many.remove(file.as_fd()).expect("removing");
    assert!(many.is_empty());
}
