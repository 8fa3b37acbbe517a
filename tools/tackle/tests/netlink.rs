// SPDX-License-Identifier: GPL-2.0

//! Tests that `tackle` finds a device and its queues, with a fake kernel that sends netlink
//! messages.

mod fake;
mod wire;

use fake::error;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST};
use nix::libc::{EINVAL, ENODEV, EPERM, ERANGE};
use tackle_cli::qdisc::device::Device;
use tackle_cli::qdisc::sample::queue;
use wire::queues::*;
use wire::*;

/// Returns the error for a device that has only queues of `kinds`. `link` is the kernel's answer
/// to the next request.
fn without(kinds: &[&str], link: Vec<Message>) -> String {
    let qdisc = |kind: &&str| {
        let (device, parent) = (OURS, ROOT);
        let kind = *kind;
        Qdisc {
            device,
            kind,
            parent,
            ..Qdisc::default()
        }
        .message()
    };
    let mut all: Vec<_> = kinds.iter().map(qdisc).collect();
    all.push(done());
    let wire = wire().answer(all).answer(link);
    error(device(&wire).queues())
}

#[test]
fn a_device_is_found_by_either_name() {
    let long = "a-name-of-more-than-15-bytes";
    for (name, attribute) in [("wan0", 3), (long, 53)] {
        let wire = wire().answer(tree(0, [0; 3]));
        let device = Device::new(wire.netlink(), name).unwrap();
        assert_eq!(device.to_string(), name);
        assert_eq!(device.queues().unwrap().len(), 2);
        let requests = wire.requests();
        let (kind, flags, payload) = &requests[0];
        assert_eq!((*kind, *flags), (RTM_GETLINK, NLM_F_REQUEST));
        let sent = wire::attribute(attribute, format!("{name}\0").as_bytes());
        assert_eq!(payload[16..], sent);
        let (kind, flags, _) = requests[1];
        assert_eq!((kind, flags), (RTM_GETQDISC, NLM_F_REQUEST | NLM_F_DUMP));
    }
}

#[test]
fn an_unknown_device_is_answered_with_those_of_the_namespace() {
    for errno in [ENODEV, EINVAL, ERANGE] {
        let links = [link(2, "x0", true), link(1, "lo", true), done()];
        let wire = Wire::default().answer([refusal(errno)]).answer(links);
        let outcome = Device::new(wire.netlink(), "eth1");
        assert_eq!(error(outcome), "no device eth1; there are: lo, x0");
    }
    let wire = Wire::default().answer([refusal(EPERM)]);
    let text = error(Device::new(wire.netlink(), "eth1"));
    assert!(
        text.starts_with("cannot find the device eth1: EPERM"),
        "{text}"
    );
}

#[test]
fn the_error_says_what_a_device_has_instead() {
    let up = one(link(OURS, "eth0", true));
    let down = one(link(OURS, "eth0", false));
    assert_eq!(
        without(&["noqueue", "clsact"], vec![]),
        "eth0 has none of rcodel, rfq_codel, codel, fq_codel; it has noqueue, clsact: \
         tc qdisc replace dev eth0 root rfq_codel"
    );
    for kinds in [&[][..], &["noop"]] {
        assert_eq!(
            without(kinds, down.clone()),
            "eth0 has no queueing discipline because it is down: ip link set eth0 up"
        );
        assert_eq!(
            without(kinds, up.clone()),
            "eth0 has no queueing discipline: tc qdisc replace dev eth0 root rfq_codel"
        );
    }
    assert_eq!(
        without(&[], vec![refusal(ENODEV)]),
        "the device eth0 has been removed"
    );
}

#[test]
fn an_interrupted_dump_is_repeated() {
    let interrupted = |mut messages: Vec<Message>, at: usize| {
        messages[at].1 |= NLM_F_DUMP_INTR;
        messages
    };
    let (first, last) = (tree(1, [0; 3]), tree(2, [0; 3]));
    let end = first.len() - 1;
    let wire = wire()
        .answer(interrupted(first.clone(), 0))
        .answer(interrupted(first.clone(), end))
        .answer(last);
    assert_eq!(device(&wire).queues().unwrap()[0].bytes, 2);
    // After 20 repetitions it is an error.
    let mut wire = self::wire();
    for _ in 0..20 {
        wire = wire.answer(interrupted(first.clone(), 0));
    }
    let text = error(device(&wire).queues());
    assert!(
        text.ends_with("changed while it was read, 20 times"),
        "{text}"
    );
}

#[test]
fn a_datagram_may_hold_many_messages_and_old_ones() {
    let mut all = tree(3, [0; 3]);
    let rest = all.split_off(2);
    let old = emit(&tree(9, [0; 3])[2], &[9; 4]);
    let wire = wire().datagrams([
        Datagram::Bytes(old),
        Datagram::Messages(all),
        Datagram::Messages(rest),
    ]);
    let queues = device(&wire).queues().unwrap();
    assert_eq!((queues.len(), queues[0].bytes), (2, 3));
}

#[test]
fn an_answer_that_is_cut_off_is_an_error() {
    let whole = emit(&tree(1, [0; 3])[2], &[2, 0, 0, 0]);
    for length in [0, 3, 15, 16, whole.len() - 1] {
        let wire = wire().datagrams([Datagram::Bytes(whole[..length].to_vec())]);
        let text = error(device(&wire).queues());
        assert!(text.contains("netlink is cut off"), "{length}: {text}");
    }
    let wire = wire().answer([refusal(EPERM)]);
    let text = error(device(&wire).queues());
    assert!(
        text.starts_with("cannot read the qdiscs of eth0: EPERM"),
        "{text}"
    );
}

#[test]
fn a_message_of_any_length_is_read() {
    let (_, _, whole) = &tree(1_000, [10, 20, 3])[2];
    for length in 0..=whole.len() {
        // Fields that are cut off are missing, and all other fields are correct.
        if let Some((index, queue)) = queue(&whole[..length]) {
            assert_eq!((index, &queue.kind[..]), (OURS, "rcodel"));
            assert!([0, 1_000].contains(&queue.bytes));
        }
    }
}

#[test]
fn packets_are_counted_in_64_bits() {
    let message = |more| Qdisc {
        kind: "codel",
        packets: 5,
        xstats: words(&[0; 9]),
        more,
        ..Qdisc::default()
    };
    let packets = |qdisc: Qdisc<'_>| queue(&qdisc.message().2).unwrap().1.packets;
    assert_eq!(packets(message(vec![])), 5);
    let many = (1u64 << 40) + 5;
    assert_eq!(packets(message(attribute(8, &many.to_ne_bytes()))), many);
}

#[test]
fn places_are_those_of_tc() {
    for (handle, parent, expected) in [
        (0, ROOT, ("0:", None)),
        (0, 0, ("0:", None)),
        (0x8001_0000, 0x1_000a, ("8001:", Some("1:a"))),
        (0, 0x2, ("0:", Some(":2"))),
        (0x10_0000, 0x1_0000, ("10:", Some("1:"))),
    ] {
        let kind = "rfq_codel";
        let qdisc = Qdisc {
            kind,
            handle,
            parent,
            ..Qdisc::default()
        };
        let (_, queue) = queue(&qdisc.message().2).unwrap();
        assert_eq!((&queue.handle[..], queue.parent.as_deref()), expected);
    }
}
