// SPDX-License-Identifier: GPL-2.0

//! Parses netlink attributes and C structures that the kernel has sent.
//!
//! C header: `include/uapi/linux/netlink.h`, `struct nlattr`.

/// The size in bytes of `struct nlattr`.
const HEADER: usize = 4;
/// The bits of `nla_type` that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const FLAGS: u16 = 0xc000;

/// A sequence of attributes, each padded to four bytes, in the byte order of the machine.
///
/// The sequence ends before an attribute that is truncated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Parses the payload of a message after its C structure, or the payload of a nested
    /// attribute.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the payload of the first attribute of this kind.
    pub fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(other, _)| *other == kind)
            .map(|(_, payload)| payload)
    }

    /// Returns the first byte of the first attribute of this kind.
    pub fn u8(self, kind: u16) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// Returns the first four bytes of the first attribute of this kind, as a number.
    pub fn u32(self, kind: u16) -> Option<u32> {
        let bytes = self.get(kind)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    }

    /// Returns the first eight bytes of the first attribute of this kind, as a number.
    pub fn u64(self, kind: u16) -> Option<u64> {
        self.u64s(kind)?.next()
    }

    /// Returns the 64-bit numbers in the first attribute of this kind.
    pub fn u64s(self, kind: u16) -> Option<impl Iterator<Item = u64> + 'a> {
        let number = |bytes: &[u8]| Some(u64::from_ne_bytes(*bytes.first_chunk()?));
        Some(self.get(kind)?.chunks_exact(8).filter_map(number))
    }
}

/// Iterates over the attributes. An item is an attribute's kind without flags, and its payload.
impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [length, kind] = halves(self.bytes)?;
        let length = usize::from(length);
        let attribute = self.bytes.get(..length)?;
        let payload = attribute.get(HEADER..)?;
        // The last attribute may have no padding.
        let next = length.next_multiple_of(4);
        self.bytes = self.bytes.get(next..).unwrap_or_default();
        Some((kind & !FLAGS, payload))
    }
}

/// Returns `nla_len` and `nla_type`.
fn halves(bytes: &[u8]) -> Option<[u16; 2]> {
    let [a, b, c, d] = *bytes.first_chunk()?;
    Some([u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])])
}

/// Returns the first `N` 32-bit members of a C structure. Members that the kernel did not send are
/// 0.
pub fn words_of<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(4)) {
        let mut value = [0; 4];
        for (to, from) in value.iter_mut().zip(chunk) {
            *to = *from;
        }
        *word = u32::from_ne_bytes(value);
    }
    words
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn attributes_are_read_in_their_order() {
        let mut bytes = vec![5, 0, 3, 0, 9, 0, 0, 0];
        bytes.extend([8, 0, 2, 0x80]);
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend([8, 0, 2, 0]);
        bytes.extend(8u32.to_ne_bytes());
        let all = Attributes::new(&bytes);
        let kinds: Vec<_> = all.map(|(kind, payload)| (kind, payload.len())).collect();
        assert_eq!(kinds, [(3, 1), (2, 4), (2, 4)]);
        assert_eq!((all.u8(3), all.u32(3)), (Some(9), None));
        assert_eq!((all.u32(2), all.u32(1)), (Some(7), None));
        assert!(all.u64s(1).is_none());
    }

    #[test]
    fn numbers_of_eight_bytes_come_in_rows() {
        let payload = [7u64, 1 << 40].map(u64::to_ne_bytes).concat();
        let attribute = [&[23, 0, 9, 0], &payload[..], &[1, 2, 3, 0]].concat();
        let all = Attributes::new(&attribute);
        assert_eq!(all.u64s(9).unwrap().collect::<Vec<_>>(), [7, 1 << 40]);
        assert_eq!(all.u64(9), Some(7));
        assert!(Attributes::new(&[]).is_empty());
    }

    #[test]
    fn what_is_cut_off_or_short_is_not_there() {
        let short = [6, 0, 1, 0, 9, 9, 0, 0];
        assert_eq!(Attributes::new(&short).u32(1), None);
        assert_eq!(Attributes::new(&short[..5]).u32(1), None);
        let cut = [8, 0, 1, 0, 9, 0, 0, 0, 40, 0, 2, 0];
        let nine = u32::from_ne_bytes([9, 0, 0, 0]);
        assert_eq!(Attributes::new(&cut).u32(1), Some(nine));
        assert_eq!(Attributes::new(&cut).u32(2), None);
        // A length without room for the header, and the largest one.
        for length in [[0, 0], [3, 0], [0xff, 0xff]] {
            let bytes = [&length[..], &[1, 0, 9, 0, 0, 0]].concat();
            assert_eq!(Attributes::new(&bytes).count(), 0);
        }
    }

    #[test]
    fn members_that_are_missing_are_zero() {
        let bytes: Vec<u8> = [1u32, 2, 3]
            .into_iter()
            .flat_map(u32::to_ne_bytes)
            .collect();
        assert_eq!(words_of::<2>(&bytes), [1, 2]);
        assert_eq!(words_of::<4>(&bytes), [1, 2, 3, 0]);
        assert_eq!(words_of::<2>(&[]), [0, 0]);
        // A truncated member has the bytes that C's memcpy() would copy.
        assert_eq!(words_of::<1>(&[5]), [u32::from_ne_bytes([5, 0, 0, 0])]);
    }
}
