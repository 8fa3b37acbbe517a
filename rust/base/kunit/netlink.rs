// SPDX-License-Identifier: GPL-2.0

//! Implements netlink requests and answers for KUnit tests, without a socket.

use crate::{
    bindings,
    net::netlink::{ExtAck, Nest, Nested},
};
use core::ptr::NonNull;
use kernel::{
    bindings::{netlink_ext_ack, nlattr, sk_buff},
    prelude::*,
};

/// The size of an attribute's header in bytes, which is also the alignment of attributes.
const HEADER: usize = size_of::<nlattr>();

/// The attribute of a request, with others nested in it.
///
/// # Invariants
///
/// The first word is the header of an attribute whose length is that of all words in bytes.
pub struct Request(KVec<u32>);

impl Request {
    /// Makes a request without nested attributes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the request.
    pub fn new() -> Result<Self> {
        let mut words = KVec::new();
        words.push(
            header(HEADER as u16, bindings::TCA_OPTIONS as u16),
            GFP_KERNEL,
        )?;
        // INVARIANT: The header is the only word.
        Ok(Self(words))
    }

    /// Adds an attribute with the value `value`.
    ///
    /// # Errors
    ///
    /// Those of [`put_claiming`](Self::put_claiming).
    pub fn put(self, attribute: u16, value: &[u8]) -> Result<Self> {
        let len = u16::try_from(HEADER + value.len()).map_err(|_| EMSGSIZE)?;
        self.put_claiming(len, attribute, value)
    }

    /// Adds an attribute with the value `value`, whose header contains the length `len`. `len` may
    /// differ from the real length of the attribute with its header.
    ///
    /// # Errors
    ///
    /// - `EMSGSIZE`: the request is full.
    /// - `ENOMEM`: there is no memory for the attribute.
    pub fn put_claiming(mut self, len: u16, attribute: u16, value: &[u8]) -> Result<Self> {
        let words = 1 + value.len().div_ceil(HEADER);
        let all = (self.0.len() + words) * HEADER;
        let all = u16::try_from(all).map_err(|_| EMSGSIZE)?;
        self.0.push(header(len, attribute), GFP_KERNEL)?;
        for chunk in value.chunks(HEADER) {
            let mut word = [0; HEADER];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.push(u32::from_ne_bytes(word), GFP_KERNEL)?;
        }
        // INVARIANT: `all` is the length of all words now.
        self.0[0] = header(all, bindings::TCA_OPTIONS as u16);
        Ok(self)
    }

    /// Returns the attribute in the form in which a handler of requests gets it.
    pub fn nested(&self) -> Nested<'_> {
        let first = NonNull::from(&self.0[0]).cast();
        // SAFETY: By the type invariants this is an attribute with as much memory as its length.
        // The memory does not change while `self` is borrowed.
        unsafe { Nested::from_raw(first) }
    }

    pub(super) fn as_ptr(&self) -> *mut nlattr {
        // CAST: C takes a mutable pointer, but only reads.
        self.0.as_ptr().cast_mut().cast()
    }

    /// Returns the number of the attribute at the address `place`, if it is in this request.
    fn number_at(&self, place: *const nlattr) -> Option<u16> {
        let offset = (place as usize).checked_sub(self.0.as_ptr() as usize)?;
        let word = self.0.get(offset / HEADER)?.to_ne_bytes();
        Some(u16::from_ne_bytes([word[2], word[3]]))
    }
}

/// Returns the header of an attribute in the format of a message.
fn header(len: u16, attribute: u16) -> u32 {
    let ([a, b], [c, d]) = (len.to_ne_bytes(), attribute.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

/// The acknowledgement of a request.
///
/// # Invariants
///
/// `_msg` is null or points at a C string that is static or in this box.
pub struct Ack(KBox<netlink_ext_ack>);

impl Ack {
    /// Makes an empty acknowledgement.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the acknowledgement.
    pub fn new() -> Result<Self> {
        // INVARIANT: All pointers are null.
        Ok(Self(KBox::new(pin_init::zeroed(), GFP_KERNEL)?))
    }

    /// Returns the acknowledgement in the form in which a handler of requests gets it.
    pub fn ext_ack(&mut self) -> ExtAck<'_> {
        // SAFETY: The acknowledgement is valid while `self` is borrowed.
        unsafe { ExtAck::from_raw(self.as_mut_ptr()) }
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut netlink_ext_ack {
        // INVARIANT: Only `NL_SET_ERR_MSG()` and similar macros write to it. They set `_msg` to a
        // static string or to the buffer in the box.
        &raw mut *self.0
    }

    /// Returns the message that was set.
    pub fn message(&self) -> Option<&CStr> {
        let message = NonNull::new(self.0._msg.cast_mut())?;
        // SAFETY: By the type invariants.
        Some(unsafe { CStr::from_char_ptr(message.as_ptr()) })
    }

    /// Returns the number of the attribute in `request` to which the error refers.
    pub fn attribute(&self, request: &Request) -> Option<u16> {
        request.number_at(NonNull::new(self.0.bad_attr.cast_mut())?.as_ptr())
    }

    /// Returns whether the kernel would read a policy when it sends this.
    pub fn has_policy(&self) -> bool {
        !self.0.policy.is_null()
    }
}

/// An answer, to which attributes are added.
///
/// # Invariants
///
/// The packet is valid and linear, and no other code has a pointer to it.
pub struct Message(NonNull<sk_buff>);

impl Message {
    /// Makes an answer with room for `room` bytes, or a few more.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the packet.
    pub fn new(room: u16) -> Result<Self> {
        // SAFETY: The helper needs a context that may sleep. A test may sleep.
        let skb = unsafe { bindings::kunit_alloc_message(room.into()) };
        // INVARIANT: The packet was made just now.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    pub(super) fn as_ptr(&mut self) -> *mut sk_buff {
        self.0.as_ptr()
    }

    /// Adds an attribute whose content `fill` writes. If `fill` fails, the attribute is not added.
    ///
    /// # Errors
    ///
    /// - `EMSGSIZE`: the message is full.
    /// - Those of `fill`.
    pub fn nest(&mut self, attribute: u16, fill: impl FnOnce(&mut Nest<'_>) -> Result) -> Result {
        // SAFETY: By the type invariants. `self` is borrowed as long as the `Nest` exists.
        let mut nest = unsafe { Nest::start(self.as_ptr(), attribute) }?;
        fill(&mut nest)?;
        nest.end();
        Ok(())
    }

    /// Returns the bytes that were added.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants, `len` bytes at `data` are valid and initialised.
        unsafe {
            let skb = self.0.as_ptr();
            core::slice::from_raw_parts((*skb).data, (*skb).len as usize)
        }
    }

    /// Returns the first attribute in the form in which the receiver of the message gets it.
    pub fn first(&self) -> Option<Nested<'_>> {
        let bytes = self.bytes();
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        if len < HEADER || len > bytes.len() {
            return None;
        }
        // SAFETY: The attribute's length was checked. C aligns the content of a packet, and no code
        // writes to it while `self` is borrowed.
        Some(unsafe { Nested::from_raw(NonNull::from(bytes).cast()) })
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this owns the packet, which is not used again.
        unsafe { kernel::bindings::consume_skb(self.as_ptr()) };
    }
}
