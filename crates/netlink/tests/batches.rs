//! Many datagrams in one buffer and one table.

mod common;

use common::{ROUTE, USERSOCK, isolated, link_dump, open, run, walk};
use nearwire_netlink::{Batch, Delivery, End, OpenOptions, Socket, column, flag};
use neli::consts::nl::Nlmsg;

/// The rows of a table, each as its seven numbers.
fn rows(table: &[u32], batch: Batch) -> Vec<[u32; column::COUNT]> {
    table.chunks_exact(column::COUNT).take(batch.rows).map(|row| row.try_into().unwrap()).collect()
}

fn bytes<'a>(buffer: &'a [u8], row: &[u32]) -> &'a [u8] {
    let offset = row[column::OFFSET] as usize;
    &buffer[offset..offset + row[column::LENGTH] as usize]
}

#[test]
fn everything_queued_comes_packed_and_in_order() {
    isolated("everything_queued_comes_packed_and_in_order", || async {
        let [from, to] = [
            open(USERSOCK),
            Socket::open(&OpenOptions { protocol: USERSOCK, groups: vec![4], ..OpenOptions::default() }).unwrap(),
        ];
        let port = to.port_id().unwrap();
        for length in 1..=20 {
            let (to_port, group) = if length % 2 == 0 { (port, 0) } else { (0, 4) };
            assert_eq!(from.try_send(&vec![length; length.into()], to_port, group), Ok(Delivery::Complete));
        }
        let mut buffer = [0; 4096];
        let mut table = [0; column::COUNT * 32];
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!((batch.rows, batch.end), (20, End::Drained));
        assert!(batch.bytes < 20 * 32, "packed: {batch:?}");
        for (row, length) in rows(&table, batch).iter().zip(1_u8..) {
            assert_eq!(bytes(&buffer, row), vec![length; length.into()]);
            assert_eq!(row[column::OFFSET] % 8, 0);
            assert_eq!(row[column::FULL_LENGTH], u32::from(length));
            assert_eq!(row[column::FROM_PORT], from.port_id().unwrap());
            assert_eq!(row[column::GROUP], if length % 2 == 0 { 0 } else { 4 });
            assert_eq!((row[column::NSID], row[column::FLAGS]), (0, 0));
        }
        assert_eq!(to.try_receive_batch(&mut buffer, &mut table), Batch { rows: 0, bytes: 0, end: End::Drained });
    });
}

#[test]
fn what_does_not_fit_stays_queued() {
    isolated("what_does_not_fit_stays_queued", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let port = to.port_id().unwrap();
        for length in [10, 20, 100] {
            let _ = from.try_send(&vec![7; length], port, 0).unwrap();
        }
        let mut buffer = [0; 64];
        let mut table = [0; column::COUNT * 8];
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!(batch, Batch { rows: 2, bytes: 36, end: End::BufferFull(100) });
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!(batch, Batch { rows: 0, bytes: 0, end: End::BufferFull(100) }, "too short for it altogether");
        assert_eq!(to.try_receive_batch(&mut [], &mut table).end, End::BufferFull(100));
        let mut buffer = [0; 100];
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!(batch, Batch { rows: 1, bytes: 100, end: End::Drained });
        assert_eq!(rows(&table, batch)[0][column::FLAGS], 0);
    });
}

#[test]
fn table_that_is_full() {
    isolated("table_that_is_full", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let port = to.port_id().unwrap();
        for number in 0..5 {
            let _ = from.try_send(&[number], port, 0).unwrap();
        }
        let mut buffer = [0; 4096];
        // Two rows, and a remainder that is no row.
        let mut table = [u32::MAX; column::COUNT * 3 - 1];
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!((batch.rows, batch.end), (2, End::TableFull));
        assert_eq!(table[column::COUNT * 2..], [u32::MAX; column::COUNT - 1]);
        assert_eq!(to.try_receive_batch(&mut buffer, &mut []).end, End::TableFull);
        assert_eq!(to.try_receive_batch(&mut buffer, &mut [0; column::COUNT * 8]).rows, 3);
    });
}

/// A process may send more than any kernel protocol does; that is looked at first, even in an ample buffer.
#[test]
fn large_datagram_of_another_process() {
    isolated("large_datagram_of_another_process", || async {
        // Doubled by the kernel, and within what it allows everyone.
        let send_buffer = Some(200_000);
        let from = Socket::open(&OpenOptions { protocol: USERSOCK, send_buffer, ..OpenOptions::default() }).unwrap();
        let to = open(USERSOCK);
        let data: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        let _ = from.try_send(&data, to.port_id().unwrap(), 0).unwrap();
        let mut table = [0; column::COUNT];
        let mut buffer = vec![0; 280_000];
        assert_eq!(to.try_receive_batch(&mut buffer, &mut table).end, End::BufferFull(300_000));
        let mut buffer = vec![0; 300_000];
        let batch = to.try_receive_batch(&mut buffer, &mut table);
        assert_eq!(batch.rows, 1);
        assert!(bytes(&buffer, &table) == data);
    });
}

#[test]
fn overrun_is_a_row_of_its_own() {
    isolated("overrun_is_a_row_of_its_own", || async {
        let options =
            OpenOptions { protocol: USERSOCK, groups: vec![1], receive_buffer: Some(1), ..OpenOptions::default() };
        let [from, to] = [open(USERSOCK), Socket::open(&options).unwrap()];
        let mut buffer = [0; 4096];
        let mut table = [0; column::COUNT * 64];
        for round in 0..3 {
            for _ in 0..50 {
                let _ = from.try_send(b"event", 0, 1).unwrap();
            }
            let batch = to.try_receive_batch(&mut buffer, &mut table);
            let rows = rows(&table, batch);
            assert_eq!(batch.end, End::Drained);
            assert_eq!(rows[0], [0, 0, libc::ENOBUFS as u32, 0, 0, 0, flag::ERRNO], "round {round}");
            assert!(rows.len() > 1 && rows[1..].iter().all(|row| bytes(&buffer, row) == b"event"));
        }
    });
}

/// A dump fills datagrams of up to 32 KiB; however short the buffer, nothing of it is lost.
#[test]
fn dump_through_buffers_of_every_size() {
    isolated("dump_through_buffers_of_every_size", || async {
        for index in 0..150 {
            run(&format!("ip link add a{index} type veth peer name b{index}"));
        }
        for size in [40_000, 70_000, 300_000, 1 << 20] {
            let socket = open(ROUTE);
            let _ = socket.try_send(&link_dump(1), 0, 0).unwrap();
            let mut buffer = vec![0; size];
            let mut table = [0; column::COUNT * 64];
            let (mut links, mut done, mut batches) = (0, false, 0);
            loop {
                let batch = socket.try_receive_batch(&mut buffer, &mut table);
                batches += 1;
                for row in rows(&table, batch) {
                    assert_eq!((row[column::FLAGS], row[column::LENGTH]), (0, row[column::FULL_LENGTH]));
                    for message in walk(bytes(&buffer, &row)) {
                        if message.header.kind == u16::from(Nlmsg::Done) { done = true } else { links += 1 }
                    }
                }
                match batch.end {
                    End::Drained => break,
                    End::BufferFull(needed) => assert!(batch.rows > 0, "{needed} bytes do not fit into {size}"),
                    End::TableFull | End::Failed => panic!("{batch:?}"),
                }
            }
            assert_eq!((links, done), (301, true));
            assert!(size > 100_000 || batches > 1);
        }
    });
}
