// SPDX-License-Identifier: GPL-2.0

//! Mutates messages into messages that `tc` would never send.

use fastrand::Rng;

use super::message::{Attribute, Kind, Message, Payload};
use super::valid::{number, pick, twin, OBJECTS};

/// Other kinds: existing ones, of which `clsact` has another parent, and unknown names of several
/// lengths.
const OTHERS: [&str; 8] = [
    "pfifo",
    "prio",
    "noqueue",
    "clsact",
    "",
    "nothing",
    "fifteen_letters",
    "a_name_that_is_longer_than_sixteen",
];

/// Handles and parents: none, the root, `ingress`, used ones, and unused ones.
///
/// They are below 8001:, because the kernel assigns handles from there, which depend on other
/// devices.
const HANDLES: [u32; 11] = [
    0,
    u32::MAX,
    0xffff_fff1,
    0xffff_fff2,
    0x1_0000,
    0x1_0001,
    0x1_ffff,
    0xa_0000,
    0xa_0001,
    0x7fff_0000,
    0x0000_0001,
];

/// Lengths that an attribute may claim. None of them ends inside the name of a kind. The names of
/// both sides have different lengths, so the remaining bytes would differ.
const LENGTHS: [u16; 11] = [0, 1, 3, 4, 5, 16, 20, 24, 64, 0x7fff, 0xffff];

/// Flags of netlink that have a meaning, one by one.
const FLAGS: [u16; 9] = [0x1, 0x2, 0x4, 0x8, 0x10, 0x100, 0x200, 0x400, 0x800];

/// Changes up to four parts of a message. About half of the messages are not changed, so that there
/// are qdiscs for the others to act on.
pub fn mutate(rng: &mut Rng, message: &mut Message) {
    for _ in 0..rng.u8(..8).saturating_sub(3) {
        match rng.u8(..10) {
            0..=5 => among(rng, &mut message.attributes),
            6..=8 => header(rng, message),
            _ => whole(rng, message),
        }
    }
}

/// Changes one of these attributes, or of the attributes nested in them.
fn among(rng: &mut Rng, attributes: &mut Vec<Attribute>) {
    if attributes.is_empty() {
        attributes.push(any(rng));
        return;
    }
    let place = rng.usize(..attributes.len());
    if let Payload::Nest(inner) = &mut attributes[place].payload {
        if rng.u8(..4) > 0 {
            return among(rng, inner);
        }
    }
    match rng.u8(..9) {
        0..=2 => value(rng, &mut attributes[place]),
        3 => attributes[place].length = Some(pick(rng, &LENGTHS)),
        4 => attributes[place].kind = kind_of_attribute(rng),
        5 => {
            let again = attributes[place].clone();
            attributes.insert(rng.usize(..=attributes.len()), again);
        }
        6 => {
            attributes.remove(place);
        }
        7 => nest(rng, &mut attributes[place]),
        _ => attributes.insert(place, any(rng)),
    }
}

fn value(rng: &mut Rng, attribute: &mut Attribute) {
    attribute.payload = match &attribute.payload {
        Payload::Kind(_) if rng.bool() => Payload::Kind(twin(rng)),
        Payload::Kind(_) => Payload::Kind(Kind::Other(pick(rng, &OTHERS))),
        Payload::Bytes(old) if rng.bool() => {
            let mut bytes = old.clone();
            if let Some(byte) = rng.choice(bytes.iter_mut()) {
                *byte = rng.u8(..);
            }
            Payload::Bytes(bytes)
        }
        Payload::Bytes(_) if rng.bool() => Payload::Bytes(number(rng).to_ne_bytes().to_vec()),
        _ => Payload::Bytes(garbage(rng)),
    };
}

/// Puts the attribute into nested attributes, which may be many.
fn nest(rng: &mut Rng, attribute: &mut Attribute) {
    let depth = if rng.u8(..8) == 0 { 200 } else { rng.u8(1..4) };
    for _ in 0..depth {
        let kind = kind_of_attribute(rng);
        let outer = Attribute::new(kind, Payload::Nest(Vec::new()));
        let inner = std::mem::replace(attribute, outer);
        attribute.payload = Payload::Nest(vec![inner]);
    }
}

fn kind_of_attribute(rng: &mut Rng) -> u16 {
    let kind = match rng.u8(..4) {
        0 => rng.u16(..),
        _ => rng.u16(..18),
    };
    // Sometimes set NLA_F_NESTED or NLA_F_NET_BYTEORDER.
    kind | pick(rng, &[0, 0, 0, 0x8000, 0x4000])
}

fn any(rng: &mut Rng) -> Attribute {
    Attribute::bytes(kind_of_attribute(rng), garbage(rng))
}

fn garbage(rng: &mut Rng) -> Vec<u8> {
    let length = pick(rng, &[0, 1, 2, 3, 4, 5, 8, 16, 100, 1000]);
    (0..length).map(|_| rng.u8(..)).collect()
}

fn header(rng: &mut Rng, message: &mut Message) {
    match rng.u8(..7) {
        // For each object, this includes one type that does not exist.
        0 => message.kind = pick(rng, &OBJECTS) + rng.u16(..4),
        1 => message.flags ^= pick(rng, &FLAGS),
        2 => message.family = rng.u8(..),
        3 => message.index = pick(rng, &[0, -1, 1, 9999, i32::MIN, i32::MAX]),
        4 => message.handle = handle(rng),
        5 => message.parent = handle(rng),
        _ => message.info = number(rng),
    }
}

fn handle(rng: &mut Rng) -> u32 {
    match rng.u8(..4) {
        0 => rng.u32(..0x8000_0000),
        _ => pick(rng, &HANDLES),
    }
}

/// Changes the end of the message, or its length.
fn whole(rng: &mut Rng, message: &mut Message) {
    match rng.u8(..3) {
        // Only whole words are cut off; see LENGTHS.
        0 => message.cut = 4 * rng.usize(..12),
        1 => message.tail = garbage(rng),
        _ => message.length = Some(pick(rng, &[0, 15, 16, 20, 35, 36, 4096, u32::MAX])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Side;
    use super::super::valid;
    use super::*;

    #[test]
    fn a_mutated_message_is_as_long_on_either_side() {
        let mut rng = Rng::with_seed(7);
        let mut changed = 0;
        for _ in 0..2000 {
            let valid = valid::message(&mut rng, 2);
            let mut message = valid.clone();
            mutate(&mut rng, &mut message);
            changed += u32::from(message != valid);
            let [theirs, ours] = [Side::Theirs, Side::Ours].map(|side| message.write(side, 1));
            assert_eq!(theirs.len(), ours.len(), "{message:?}");
        }
        assert!((800..1200).contains(&changed), "{changed} changed");
    }
}
