// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes and statistics, as bytes.

use netlink_packet_core::{DefaultNla, Emitable, NlasIterator, NLA_TYPE_MASK};

/// The attributes that go into `TCA_OPTIONS` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    bytes: Vec<u8>,
}

impl Options {
    /// Adds an attribute of one byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, vec![value]);
    }

    /// Adds an attribute of four bytes.
    pub fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, value.to_ne_bytes().to_vec());
    }

    fn put(&mut self, kind: u16, value: Vec<u8>) {
        let attribute = DefaultNla::new(kind, value);
        let start = self.bytes.len();
        self.bytes.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.bytes[start..]);
    }

    /// The attributes one after the other, each padded to four bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The attributes that came in `TCA_OPTIONS`.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads the payload of `TCA_OPTIONS`. It ends before an attribute that is cut off.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The first attribute of this kind, if it has a byte at least.
    pub fn u8(&self, kind: u16) -> Option<u8> {
        self.value(kind).map(u8::from_ne_bytes)
    }

    /// The first attribute of this kind, if it has four bytes at least.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.value(kind).map(u32::from_ne_bytes)
    }

    /// The numbers of eight bytes in the first attribute of this kind, if there is one.
    pub fn u64s(&self, kind: u16) -> Option<Vec<u64>> {
        let number = |bytes: &[u8]| Some(u64::from_ne_bytes(bytes.try_into().ok()?));
        self.payload(kind, |payload| {
            payload.chunks(8).filter_map(number).collect()
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn value<const N: usize>(&self, kind: u16) -> Option<[u8; N]> {
        self.payload(kind, |payload| payload.first_chunk().copied())?
    }

    fn payload<T>(&self, kind: u16, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let attribute = NlasIterator::new(self.bytes)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind() & NLA_TYPE_MASK == kind)?;
        Some(read(attribute.value()))
    }
}

/// The first `N` 32-bit members of a C structure. Those that the kernel did not send are zero.
pub fn words_of<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(4)) {
        let mut value = [0; 4];
        value[..chunk.len()].copy_from_slice(chunk);
        *word = u32::from_ne_bytes(value);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_the_way_there_and_back() {
        let mut options = Options::default();
        assert!(options.as_bytes().is_empty());
        options.put_u32(2, 7);
        options.put_u32(5, u32::MAX);
        options.put_u32(2, 8);
        assert_eq!(options.as_bytes().len(), 24);
        options.put_u8(3, 9);
        assert_eq!(options.as_bytes()[24..], [5, 0, 3, 0, 9, 0, 0, 0]);
        let attributes = Attributes::new(options.as_bytes());
        assert_eq!(attributes.u8(3), Some(9));
        assert_eq!(attributes.u32(3), None);
        assert_eq!(attributes.u32(2), Some(7));
        assert_eq!(attributes.u32(5), Some(u32::MAX));
        assert_eq!(attributes.u32(1), None);
        assert!(attributes.u64s(1).is_none());
    }

    #[test]
    fn numbers_of_eight_bytes_come_in_rows() {
        let payload = [7u64, 1 << 40].map(u64::to_ne_bytes).concat();
        let attribute = [&[23, 0, 9, 0], &payload[..], &[1, 2, 3, 0]].concat();
        let numbers = Attributes::new(&attribute).u64s(9);
        assert_eq!(numbers, Some(vec![7, 1 << 40]));
        assert!(Attributes::new(&[]).is_empty());
    }

    #[test]
    fn what_is_cut_off_or_short_is_not_there() {
        let short = [6, 0, 1, 0, 9, 9, 0, 0];
        assert_eq!(Attributes::new(&short).u32(1), None);
        assert_eq!(Attributes::new(&short[..5]).u32(1), None);
        let cut = [8, 0, 1, 0, 9, 0, 0, 0, 40, 0, 2, 0];
        assert_eq!(
            Attributes::new(&cut).u32(1),
            Some(u32::from_ne_bytes([9, 0, 0, 0]))
        );
        assert_eq!(Attributes::new(&cut).u32(2), None);
        assert_eq!(Attributes::new(&[]).u32(1), None);
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
        // A member is cut off as C's memcpy() would do it.
        assert_eq!(words_of::<1>(&[5]), [u32::from_ne_bytes([5, 0, 0, 0])]);
    }
}
