// SPDX-License-Identifier: GPL-2.0

//! Implements netlink attributes: reads those of a request, and writes those of an answer.
//!
//! C headers: [`include/net/netlink.h`](srctree/include/net/netlink.h),
//! [`include/linux/netlink.h`](srctree/include/linux/netlink.h)

use crate::bindings;
use core::{marker::PhantomData, mem::ManuallyDrop, ptr, ptr::NonNull};
use kernel::{
    bindings::{netlink_ext_ack, nla_policy, nlattr, sk_buff, NLA_U32, NLA_U8},
    error::to_result,
    prelude::*,
    transmute::{AsBytes, FromBytes},
};

/// The extended acknowledgement of a request: the message with which the handler of the request
/// explains an error to the sender.
///
/// # Invariants
///
/// `raw` is null or points at the valid extended acknowledgement of the request that is
/// being handled.
pub struct ExtAck<'a> {
    raw: *mut netlink_ext_ack,
    _request: PhantomData<&'a mut netlink_ext_ack>,
}

impl ExtAck<'_> {
    /// # Safety
    ///
    /// `raw` is null or valid for the lifetime.
    pub(crate) unsafe fn from_raw(raw: *mut netlink_ext_ack) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            raw,
            _request: PhantomData,
        }
    }

    /// Sets the message that is sent with the error. It is cut after 79 bytes, and replaces a
    /// message that was set before.
    ///
    /// The message is copied, so it need not outlive the call.
    pub fn set(&mut self, message: &CStr) {
        // SAFETY: By the type invariants. The helper accepts null for the acknowledgement.
        unsafe { bindings::nl_set_err_msg(self.raw, message.as_char_ptr()) };
    }

    /// Returns whether a message was set.
    fn is_set(&self) -> bool {
        // SAFETY: By the type invariants.
        !self.raw.is_null() && unsafe { !(*self.raw)._msg.is_null() }
    }

    /// Sets the message if none was set yet.
    pub(crate) fn set_weak(&mut self, message: &CStr) {
        if !self.is_set() {
            self.set(message);
        }
    }
}

/// The most attributes that a policy can have. It is limited since a table of them is on the stack.
pub const MAX_ATTRIBUTES: usize = 64;

/// The types of the known attributes. Their numbers are below `N`, which is at most
/// [`MAX_ATTRIBUTES`].
#[repr(transparent)]
pub struct Policy<const N: usize>([nla_policy; N]);

// SAFETY: The policy never changes, and the pointers in it are null.
unsafe impl<const N: usize> Sync for Policy<N> {}

impl<const N: usize> Policy<N> {
    /// Makes a policy without attributes: all attributes of a request are ignored.
    pub const fn new() -> Self {
        const { assert!(N > 0 && N <= MAX_ATTRIBUTES) };
        Self([pin_init::zeroed(); N])
    }

    /// Adds an attribute that holds a `u8`.
    ///
    /// For use in constants: `attribute` must be below `N`.
    pub const fn u8(self, attribute: u16) -> Self {
        self.with(attribute, NLA_U8)
    }

    /// Adds an attribute that holds a `u32`.
    ///
    /// For use in constants: `attribute` must be below `N`.
    pub const fn u32(self, attribute: u16) -> Self {
        self.with(attribute, NLA_U32)
    }

    const fn with(mut self, attribute: u16, kind: u32) -> Self {
        // CAST: The number of a type is small.
        self.0[attribute as usize].type_ = kind as u8;
        self
    }
}

impl<const N: usize> Default for Policy<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// An attribute of a request that contains other attributes.
///
/// # Invariants
///
/// `raw` points at an attribute. The netlink core has checked that it lies in the request.
#[derive(Clone, Copy)]
pub struct Nested<'a> {
    raw: NonNull<nlattr>,
    _request: PhantomData<&'a nlattr>,
}

impl<'a> Nested<'a> {
    /// # Safety
    ///
    /// `raw` points at a valid attribute that does not change for the lifetime.
    pub(crate) unsafe fn from_raw(raw: NonNull<nlattr>) -> Self {
        // INVARIANT: By the function's requirements.
        Self {
            raw,
            _request: PhantomData,
        }
    }

    /// Checks the nested attributes, and makes a table of them by their numbers.
    ///
    /// This is as lenient as the kernel is with the attributes of old interfaces. Unknown
    /// attributes are ignored. Attributes that are too long are accepted. If an attribute occurs
    /// several times, the last one is used.
    ///
    /// # Errors
    ///
    /// `ERANGE`: an attribute is shorter than its type. `ack` then refers to the attribute.
    pub fn parse<const N: usize>(
        &self,
        policy: &Policy<N>,
        ack: &mut ExtAck<'_>,
    ) -> Result<Attributes<'a, N>> {
        let mut table: [*mut nlattr; N] = [ptr::null_mut(); N];
        // SAFETY: `table` and `policy` have `N` entries, and the highest number is `N - 1`. The
        // attribute and the acknowledgement are valid by the type invariants.
        let result = to_result(unsafe {
            bindings::nla_parse_nested_deprecated(
                table.as_mut_ptr(),
                N as i32 - 1,
                self.raw.as_ptr(),
                policy.0.as_ptr(),
                ack.raw,
            )
        });
        if result.is_err() && !ack.raw.is_null() {
            // The netlink core reads the policy when it sends the acknowledgement. `policy` may not
            // exist any more then, so remove the pointer.
            // SAFETY: By the type invariants the acknowledgement is valid.
            unsafe { (*ack.raw).policy = ptr::null() };
        }
        // INVARIANT: The parser has filled the table with attributes of the request.
        result.map(|()| Attributes {
            table,
            _request: PhantomData,
        })
    }
}

/// Attributes by their numbers.
///
/// # Invariants
///
/// The entries of `table` are null or point at attributes, valid for `'a` up to their
/// length.
pub struct Attributes<'a, const N: usize> {
    table: [*mut nlattr; N],
    _request: PhantomData<&'a nlattr>,
}

impl<const N: usize> Attributes<'_, N> {
    /// Returns the value of an attribute that holds a `u8`; [`None`] if the request does not have
    /// the attribute. Also [`None`] if the attribute is too short, which a [`Policy`] excludes.
    pub fn u8(&self, attribute: u16) -> Option<u8> {
        self.value(attribute)
    }

    /// Returns the value of an attribute that holds a `u32`; [`None`] in the same cases as for
    /// [`u8`](Self::u8).
    pub fn u32(&self, attribute: u16) -> Option<u32> {
        self.value(attribute)
    }

    fn value<T: FromBytes>(&self, attribute: u16) -> Option<T> {
        const HEADER: usize = size_of::<nlattr>();

        let attribute = NonNull::new(*self.table.get(usize::from(attribute))?)?.as_ptr();
        // SAFETY: By the type invariants.
        if usize::from(unsafe { (*attribute).nla_len }) < HEADER + size_of::<T>() {
            return None;
        }
        // SAFETY: By the type invariants, and the attribute is long enough.
        Some(unsafe { attribute.byte_add(HEADER).cast::<T>().read_unaligned() })
    }
}

/// An attribute of an answer, to which other attributes are added.
///
/// When it is dropped, it is removed from the message again. This crate ends it (`end`) when its
/// content is complete.
///
/// # Invariants
///
/// `skb` points at the message being written, and `start` at the attribute in it, which
/// is the last one and open.
pub struct Nest<'a> {
    skb: *mut sk_buff,
    start: NonNull<nlattr>,
    _message: PhantomData<&'a mut sk_buff>,
}

impl Nest<'_> {
    /// Opens an attribute.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    ///
    /// # Safety
    ///
    /// `skb` points at a message that no other code reads or writes for the lifetime.
    pub(crate) unsafe fn start(skb: *mut sk_buff, attribute: u16) -> Result<Self> {
        // SAFETY: By the function's requirements.
        let start = unsafe { bindings::nla_nest_start_noflag(skb, attribute.into()) };
        // INVARIANT: The attribute was opened just now.
        Ok(Self {
            skb,
            start: NonNull::new(start).ok_or(EMSGSIZE)?,
            _message: PhantomData,
        })
    }

    /// Adds an attribute that holds a `u8`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    pub fn put_u8(&mut self, attribute: u16, value: u8) -> Result {
        self.put(attribute, &value)
    }

    /// Adds an attribute that holds a `u32`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    pub fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put(attribute, &value)
    }

    fn put<T: AsBytes>(&mut self, attribute: u16, value: &T) -> Result {
        let len = size_of::<T>() as i32;
        let value = ptr::from_ref(value).cast();
        // SAFETY: By the type invariants; `value` points at `len` bytes.
        to_result(unsafe { kernel::bindings::nla_put(self.skb, attribute.into(), len, value) })
    }

    /// Closes the attribute.
    pub(crate) fn end(self) {
        let nest = ManuallyDrop::new(self);
        // SAFETY: By the type invariants.
        unsafe { bindings::nla_nest_end(nest.skb, nest.start.as_ptr()) };
    }
}

impl Drop for Nest<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::nla_nest_cancel(self.skb, self.start.as_ptr()) };
    }
}
