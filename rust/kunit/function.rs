// SPDX-License-Identifier: GPL-2.0

//! Tests the types that stand for kernel functions, and the conversion of arguments and return
//! values from and to registers.

use kernel::{
    bindings::{file, loff_t},
    ffi::c_char,
    prelude::*,
};

tackle::function! {
    /// A function that the headers of the kernel declare.
    VfsRead: fn vfs_read(*mut file, *mut c_char, usize, *mut loff_t) -> isize;
}

#[kunit_tests(tackle_function)]
mod tests {
    use super::VfsRead;
    use kernel::prelude::*;
    use tackle::{
        expect_eq,
        function::{Function, Value},
        kunit::Twice,
    };

    #[test]
    fn a_function_has_its_name_and_place() -> Result {
        expect_eq!(VfsRead::NAME, c"vfs_read");
        expect_eq!(VfsRead::MODULE, None);
        expect_eq!(VfsRead::POSITION, 0);
        expect_eq!(Twice::NAME, c"rust_helper_kunit_twice");
        expect_eq!(Twice::MODULE, Some(c"tackle"));
        Ok(())
    }

    #[test]
    fn a_value_is_cut_to_its_type() -> Result {
        expect_eq!(u8::from_register(0x1234), 0x34);
        expect_eq!(i32::from_register(0xffff_ffff), -1);
        expect_eq!(u64::from_register(usize::MAX), u64::MAX);
        // Only the lowest byte of the register counts.
        expect_eq!(bool::from_register(0x100), false);
        expect_eq!(bool::from_register(0xff01), true);
        Ok(())
    }

    #[test]
    fn a_value_is_extended_by_its_sign() -> Result {
        expect_eq!((-1i8).into_register(), usize::MAX);
        expect_eq!(0xffu8.into_register(), 0xff);
        expect_eq!((-22i32).into_register() as u32, 0xffff_ffea);
        expect_eq!(true.into_register(), 1);
        Ok(())
    }

    #[test]
    fn a_pointer_is_its_register() -> Result {
        let pointer = <*mut u8 as Value>::from_register(0xffff_8880_0000_1000);
        expect_eq!(pointer.into_register(), 0xffff_8880_0000_1000);
        Ok(())
    }
}
